//! Path templates: `/v2/assets/{symbol_or_asset_id}`.

use percent_encoding::percent_decode_str;

/// A path of a document, split into its segments.
#[derive(Debug, Clone)]
pub(super) struct Template {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone)]
enum Segment {
    Literal(String),
    Parameter {
        before: String,
        name: String,
        after: String,
    },
}

impl Template {
    pub(super) fn new(text: &str) -> Self {
        let segments = text.split('/').map(Segment::new).collect();
        Self {
            text: text.to_owned(),
            segments,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// How much of it is no parameter.
    pub(super) fn literal_length(&self) -> usize {
        let length = |segment: &Segment| match segment {
            Segment::Literal(text) => text.len(),
            Segment::Parameter { before, after, .. } => before.len() + after.len(),
        };
        self.segments.iter().map(length).sum()
    }

    /// The values of the parameters, decoded, if the path fits.
    pub(super) fn matches(&self, path: &str) -> Option<Vec<(String, String)>> {
        let parts: Vec<&str> = path.split('/').collect();
        if parts.len() != self.segments.len() {
            return None;
        }
        let mut values = Vec::new();
        for (segment, part) in self.segments.iter().zip(parts) {
            match segment {
                Segment::Literal(text) if text == part => {}
                Segment::Literal(_) => return None,
                Segment::Parameter { before, name, after } => {
                    let value = part.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
                    if value.is_empty() {
                        return None;
                    }
                    let decoded = percent_decode_str(value).decode_utf8_lossy().into_owned();
                    values.push((name.clone(), decoded));
                }
            }
        }
        Some(values)
    }
}

impl Segment {
    fn new(text: &str) -> Self {
        let parameter = text.split_once('{').and_then(|(before, rest)| {
            let (name, after) = rest.split_once('}')?;
            Some((before, name, after))
        });
        match parameter {
            None => Self::Literal(text.to_owned()),
            Some((before, name, after)) => Self::Parameter {
                before: before.to_owned(),
                name: name.to_owned(),
                after: after.to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_decoded() {
        let template = Template::new("/v2/assets/{symbol}");
        let values = template.matches("/v2/assets/BTC%2FUSD").unwrap();
        assert_eq!(values, [("symbol".to_owned(), "BTC/USD".to_owned())]);
        assert!(template.matches("/v2/assets").is_none());
        assert!(template.matches("/v2/assets/").is_none());
        assert!(template.matches("/v2/orders/x").is_none());
        let suffix = Template::new("/day/{date}.csv");
        assert_eq!(suffix.matches("/day/2026-01-01.csv").unwrap()[0].1, "2026-01-01");
        assert!(suffix.matches("/day/2026-01-01.xml").is_none());
        assert_eq!((suffix.literal_length(), suffix.text()), (7, "/day/{date}.csv"));
    }
}
