//! A reader of JSON that shares nothing with the decoders: it finds the text that stands at a path, and knows no
//! numbers, no model and no serde. Containers may lie in each other as deep as they like.

use std::ops::Range;

/// A whole body that is JSON, by RFC 8259.
#[derive(Debug)]
pub struct Document<'a> {
    text: &'a str,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    /// Without the quotes of a string.
    span: Range<usize>,
    key: Option<Range<usize>>,
    parent: Option<usize>,
    parts: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
    Text,
    Number,
    Word,
}

impl<'a> Document<'a> {
    /// `None` for what is no JSON: bytes that are no UTF-8, a mark in front, anything behind the end.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader {
            text: std::str::from_utf8(bytes).ok()?,
            at: 0,
            nodes: Vec::new(),
            open: Vec::new(),
        };
        reader.document()?;
        Some(Self {
            text: reader.text,
            nodes: reader.nodes,
        })
    }

    /// The whole body.
    pub fn root(&self) -> Raw<'_> {
        Raw {
            document: self,
            node: 0,
        }
    }
}

/// A value of a body, as its text.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    document: &'a Document<'a>,
    node: usize,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// Nothing.
    Missing,
    /// Two fields of that name: no value can be right.
    Twice,
    /// A value.
    Here(Raw<'a>),
}

impl<'a> Raw<'a> {
    /// The value at a path from here: `""` is this one, `legs[0].qty` one inside.
    pub fn find(self, path: &str) -> Found<'a> {
        let mut here = self;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            let next = match step.strip_suffix(']').and_then(|place| place.parse::<usize>().ok()) {
                Some(place) => here.part(place).map_or(Found::Missing, Found::Here),
                None => here.field(step),
            };
            match next {
                Found::Here(value) => here = value,
                Found::Missing | Found::Twice => return next,
            }
        }
        Found::Here(here)
    }

    /// The value at a path, if there is one alone and it is not null.
    pub fn get(self, path: &str) -> Option<Raw<'a>> {
        match self.find(path) {
            Found::Here(value) if !value.is_null() => Some(value),
            Found::Here(_) | Found::Missing | Found::Twice => None,
        }
    }

    fn field(self, name: &str) -> Found<'a> {
        if self.node().kind != Kind::Object {
            return Found::Missing;
        }
        let mut named = self.parts().filter(|part| part.key().as_deref() == Some(name));
        match (named.next(), named.next()) {
            (None, _) => Found::Missing,
            (Some(value), None) => Found::Here(value),
            (Some(_), Some(_)) => Found::Twice,
        }
    }

    fn part(self, place: usize) -> Option<Raw<'a>> {
        let node = *self.node().parts.get(place)?;
        (self.node().kind == Kind::Array).then_some(Raw { node, ..self })
    }

    /// The values that lie in it directly.
    pub fn parts(self) -> impl Iterator<Item = Raw<'a>> {
        self.node().parts.iter().map(move |node| Raw { node: *node, ..self })
    }

    /// Whether it is a list, or an object whose fields are rows.
    pub fn is_container(self) -> bool {
        matches!(self.node().kind, Kind::Object | Kind::Array)
    }

    /// The name of the field that it is.
    pub fn key(self) -> Option<String> {
        decoded(&self.document.text[self.node().key.clone()?])
    }

    /// The text of a string, escapes undone; `None` for other values, and where an escape is half a pair.
    pub fn text(self) -> Option<String> {
        (self.node().kind == Kind::Text)
            .then(|| decoded(self.source()))
            .flatten()
    }

    /// The text of a number, or of a string, which may hold one.
    pub fn number(self) -> Option<String> {
        match self.node().kind {
            Kind::Number => Some(self.source().to_owned()),
            Kind::Text => self.text(),
            Kind::Object | Kind::Array | Kind::Word => None,
        }
    }

    /// Whether it is a number without quotes.
    pub fn is_number(self) -> bool {
        self.node().kind == Kind::Number
    }

    /// `true` or `false`.
    pub fn flag(self) -> Option<bool> {
        match (self.node().kind, self.source()) {
            (Kind::Word, "true") => Some(true),
            (Kind::Word, "false") => Some(false),
            _ => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(self) -> bool {
        self.node().kind == Kind::Word && self.source() == "null"
    }

    /// As it stands in the body; a string without its quotes.
    pub fn source(self) -> &'a str {
        &self.document.text[self.node().span.clone()]
    }

    /// Where it is: `$.legs[0].qty`.
    pub fn path(self) -> String {
        let Some(parent) = self.node().parent else {
            return "$".to_owned();
        };
        let parent = Raw { node: parent, ..self };
        match &self.node().key {
            Some(key) => format!("{}.{}", parent.path(), &self.document.text[key.clone()]),
            None => {
                let place = parent.node().parts.iter().position(|node| *node == self.node);
                format!("{}[{}]", parent.path(), place.unwrap_or_default())
            }
        }
    }

    fn node(self) -> &'a Node {
        &self.document.nodes[self.node]
    }
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Value,
    FirstItem,
    Key,
    FirstKey,
    Next,
    End,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    nodes: Vec<Node>,
    open: Vec<usize>,
}

impl Reader<'_> {
    fn document(&mut self) -> Option<()> {
        let (mut want, mut key) = (Want::Value, None);
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
                self.at += 1;
            }
            want = match (want, self.peek()) {
                (Want::End, None) => return Some(()),
                (Want::FirstItem, Some(b']')) | (Want::FirstKey, Some(b'}')) => self.close(),
                (Want::Value | Want::FirstItem, Some(first)) => self.value(first, key.take())?,
                (Want::Key | Want::FirstKey, Some(b'"')) => {
                    key = Some(self.string()?);
                    self.colon()?;
                    Want::Value
                }
                (Want::Next, Some(byte)) => match (byte, self.nodes[*self.open.last()?].kind) {
                    (b',', Kind::Array) => self.step(Want::Value),
                    (b',', Kind::Object) => self.step(Want::Key),
                    (b']', Kind::Array) | (b'}', Kind::Object) => self.close(),
                    _ => return None,
                },
                _ => return None,
            };
        }
    }

    fn step(&mut self, want: Want) -> Want {
        self.at += 1;
        want
    }

    fn value(&mut self, first: u8, key: Option<Range<usize>>) -> Option<Want> {
        let start = self.at;
        let (kind, span) = match first {
            b'{' => (Kind::Object, start..start),
            b'[' => (Kind::Array, start..start),
            b'"' => (Kind::Text, self.string()?),
            b'-' | b'0'..=b'9' => {
                self.skip_number()?;
                (Kind::Number, start..self.at)
            }
            _ => {
                let rest = &self.text[start..];
                let word = ["true", "false", "null"]
                    .into_iter()
                    .find(|word| rest.starts_with(word))?;
                self.at += word.len();
                (Kind::Word, start..self.at)
            }
        };
        let (node, parent) = (self.nodes.len(), self.open.last().copied());
        if let Some(parent) = parent {
            self.nodes[parent].parts.push(node);
        }
        self.nodes.push(Node {
            kind,
            span,
            key,
            parent,
            parts: Vec::new(),
        });
        Some(match kind {
            Kind::Object | Kind::Array => {
                self.open.push(node);
                self.step(if kind == Kind::Object {
                    Want::FirstKey
                } else {
                    Want::FirstItem
                })
            }
            Kind::Text | Kind::Number | Kind::Word => self.behind(),
        })
    }

    fn close(&mut self) -> Want {
        self.at += 1;
        if let Some(node) = self.open.pop() {
            self.nodes[node].span.end = self.at;
        }
        self.behind()
    }

    fn behind(&self) -> Want {
        if self.open.is_empty() { Want::End } else { Want::Next }
    }

    fn colon(&mut self) -> Option<()> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        (self.peek() == Some(b':')).then(|| self.at += 1)
    }

    /// The inner of a string.
    fn string(&mut self) -> Option<Range<usize>> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => {
                    self.at += 1;
                    match self.peek()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            let digits = self.text.as_bytes().get(self.at + 1..self.at + 5)?;
                            digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                            self.at += 5;
                        }
                        _ => return None,
                    }
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(start..self.at - 1)
    }

    fn skip_number(&mut self) -> Option<()> {
        self.skip(b"-");
        if !self.skip(b"0") {
            self.skip_digits()?;
        }
        if self.skip(b".") {
            self.skip_digits()?;
        }
        if self.skip(b"eE") {
            self.skip(b"+-");
            self.skip_digits()?;
        }
        Some(())
    }

    fn skip_digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.skip(b"0123456789") {}
        (self.at > start).then_some(())
    }

    /// Whether one of these bytes was there.
    fn skip(&mut self, bytes: &[u8]) -> bool {
        let there = self.peek().is_some_and(|byte| bytes.contains(&byte));
        self.at += usize::from(there);
        there
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// A string with its escapes undone.
fn decoded(inner: &str) -> Option<String> {
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(place) = rest.find('\\') {
        out.push_str(&rest[..place]);
        let escape = *rest.as_bytes().get(place + 1)?;
        rest = rest.get(place + 2..)?;
        out.push(match escape {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (unit, behind) = unit(rest)?;
                rest = behind;
                match unit {
                    0xd800..0xdc00 => {
                        let (low, behind) = self::unit(rest.strip_prefix("\\u")?)?;
                        rest = behind;
                        let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                        char::from_u32(0x10000 + ((unit - 0xd800) << 10) + low)?
                    }
                    _ => char::from_u32(unit)?,
                }
            }
            other => char::from(other),
        });
    }
    out.push_str(rest);
    Some(out)
}

/// Four hexadecimal digits, and what is behind them.
fn unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_and_what_is_not() {
        for good in [
            "7",
            "-0.5e+3",
            "[]",
            " {} ",
            r#"{"a":[1,{"b":null}],"a":true}"#,
            "\"\\ud800\"",
            "\r\n[\t1 , 2]\n",
        ] {
            assert!(Document::read(good.as_bytes()).is_some(), "{good}");
        }
        assert!(Document::read(["[".repeat(100_000), "]".repeat(100_000)].concat().as_bytes()).is_some());
        for bad in [
            "",
            " ",
            "01",
            "+1",
            ".5",
            "5.",
            "1e",
            "--1",
            "nul",
            "truex",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{a:1}",
            "{\"a\":1,}",
            "[1]]",
            "[1}",
            "{\"a\":1]",
            "\"\\q\"",
            "\"\\u12\"",
            "\"a\nb\"",
            "\"a",
            "[1] x",
            "\u{feff}1",
            "[",
            "{\"a\":",
            "1\0",
        ] {
            assert!(Document::read(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Document::read(b"\"\xff\"").is_none());
    }

    #[test]
    fn values_are_found_as_they_stand() {
        let text = r#"{ "legs": [ {"qty": 1.50, "n\u0061me": "\u0041\"\ud83d\ude00"}, 7 ], "x": null, "d": 1, "d": 2, "t": true, "h": "\ud800" }"#;
        let document = Document::read(text.as_bytes()).unwrap();
        let root = document.root();
        let leg = root.get("legs[0]").unwrap();
        assert_eq!(leg.get("qty").unwrap().number().as_deref(), Some("1.50"));
        assert_eq!(leg.get("name").unwrap().text().as_deref(), Some("A\"\u{1f600}"));
        assert_eq!(leg.get("qty").unwrap().path(), "$.legs[0].qty");
        assert_eq!(root.get("legs[1]").unwrap().source(), "7");
        assert_eq!(root.get("legs").unwrap().parts().count(), 2);
        assert!(matches!(root.find("d"), Found::Twice));
        assert!(matches!(root.find("legs[2]"), Found::Missing));
        assert!(matches!(root.find("t.x"), Found::Missing));
        assert!(matches!(root.find("x"), Found::Here(null) if null.is_null()));
        assert!(root.get("x").is_none());
        assert_eq!(root.get("t").unwrap().flag(), Some(true));
        assert_eq!(root.get("h").unwrap().text(), None, "half a pair is no text");
    }
}
