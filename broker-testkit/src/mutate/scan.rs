//! Where the values of a body are.

use std::ops::Range;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Text,
    Number,
    Word,
}

/// A value of the body.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) value: Range<usize>,
    /// Start of its key, if it is a field.
    pub(super) key: Option<usize>,
    /// The values that lie in it directly, by their place in the list of spots.
    pub(super) parts: Vec<usize>,
}

/// The values of a body that is known to be JSON, each before what lies in it.
pub(super) fn spots(text: &str) -> Vec<Spot> {
    let mut scanner = Scanner {
        text,
        at: 0,
        spots: Vec::new(),
    };
    scanner.value("$", None);
    scanner.spots
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    spots: Vec<Spot>,
}

impl Scanner<'_> {
    /// Gives the place of the value in the list.
    fn value(&mut self, path: &str, key: Option<usize>) -> usize {
        self.skip_blanks();
        let (start, place) = (self.at, self.spots.len());
        let kind = match self.peek() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            _ => Kind::Word,
        };
        self.spots.push(Spot {
            path: path.to_owned(),
            kind,
            value: start..start,
            key,
            parts: Vec::new(),
        });
        let mut parts = Vec::new();
        match kind {
            Kind::Object => self.fields(path, &mut parts),
            Kind::Array => self.items(path, &mut parts),
            Kind::Text => self.skip_text(),
            Kind::Number | Kind::Word => self.skip_word(),
        }
        self.spots[place].value.end = self.at;
        self.spots[place].parts = parts;
        place
    }

    fn fields(&mut self, path: &str, parts: &mut Vec<usize>) {
        self.at += 1;
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b'"') => {
                    let start = self.at;
                    self.skip_text();
                    let name = &self.text[start + 1..self.at - 1];
                    let path = format!("{path}.{name}");
                    self.skip_blanks();
                    self.at += 1;
                    parts.push(self.value(&path, Some(start)));
                }
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.at += 1;
    }

    fn items(&mut self, path: &str, parts: &mut Vec<usize>) {
        self.at += 1;
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') | None => break,
                Some(_) => {
                    parts.push(self.value(&format!("{path}[{}]", parts.len()), None));
                }
            }
        }
        self.at += 1;
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn skip_text(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
    }

    fn skip_word(&mut self) {
        let ends = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}');
        while self.peek().is_some_and(|byte| !ends(byte)) {
            self.at += 1;
        }
    }
}
