//! The protocol of `/stream`: who may listen, and to what.

use broker_core::num::Text;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::json::{Object, array, quoted};
use super::super::keys::Keys;
use super::say::Say;

/// The one stream that there is.
const UPDATES: &str = "trade_updates";

/// One client of `/stream`.
#[derive(Debug, Default)]
pub(super) struct OrderTalk {
    authorized: bool,
    /// Whether order events go to it.
    pub(super) listens: bool,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    key: Option<Text<'a>>,
    #[serde(borrow)]
    secret: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Credentials<'a> {
    #[serde(borrow)]
    key_id: Option<Text<'a>>,
    #[serde(borrow)]
    secret_key: Option<Text<'a>>,
    #[serde(borrow)]
    oauth_token: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Listen<'a> {
    #[serde(borrow)]
    streams: Vec<Text<'a>>,
}

impl OrderTalk {
    /// Answers a message. Before the key was taken everything else is refused; what is understood by nobody ends the
    /// connection.
    pub(super) fn hear(&mut self, text: &str, keys: &Keys) -> Say {
        let Ok(message) = serde_json::from_str::<Message<'_>>(text) else {
            return not_understood();
        };
        match message.action.get() {
            "auth" => self.authorize(keys.knows_key(text_of(message.key.as_ref()), text_of(message.secret.as_ref()))),
            "authenticate" => {
                let known =
                    read(message.data).is_some_and(|credentials: Credentials<'_>| match credentials.oauth_token {
                        Some(token) => keys.knows_token(token.get()),
                        None => keys.knows_key(
                            text_of(credentials.key_id.as_ref()),
                            text_of(credentials.secret_key.as_ref()),
                        ),
                    });
                self.authorize(known)
            }
            other if !self.authorized => authorization("unauthorized", other),
            "listen" => match read::<Listen<'_>>(message.data) {
                Some(asked) => self.listen(&asked),
                None => not_understood(),
            },
            _ => not_understood(),
        }
    }

    fn authorize(&mut self, known: bool) -> Say {
        self.authorized = known;
        self.listens &= known;
        authorization(if known { "authorized" } else { "unauthorized" }, "authenticate")
    }

    /// The set replaces the one before. A stream that there is not is left out of the answer.
    fn listen(&mut self, asked: &Listen<'_>) -> Say {
        self.listens = asked.streams.iter().any(|stream| stream.get() == UPDATES);
        let streams = self.listens.then(|| quoted(UPDATES));
        let data = Object::new().raw("streams", &array(streams));
        Say::Text(enveloped("listening", &data.end()))
    }
}

/// The envelope of every message of `/stream`.
pub(super) fn enveloped(stream: &str, data: &str) -> String {
    Object::new().text("stream", stream).raw("data", data).end()
}

fn authorization(status: &str, action: &str) -> Say {
    let data = Object::new().text("status", status).text("action", action);
    Say::Text(enveloped("authorization", &data.end()))
}

fn not_understood() -> Say {
    Say::Close(Some((1008, "message not understood")))
}

fn read<'a, T: Deserialize<'a>>(data: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(data?.get()).ok()
}

fn text_of<'a>(text: Option<&'a Text<'_>>) -> &'a str {
    text.map(Text::get).unwrap_or_default()
}
