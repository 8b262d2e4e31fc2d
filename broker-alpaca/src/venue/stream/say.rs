//! What a socket says to its client.

/// One frame of the venue, before it is text or binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Say {
    /// A message.
    Text(String),
    /// The end, with a code and a reason where there are any.
    Close(Option<(u16, &'static str)>),
}
