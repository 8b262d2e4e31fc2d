//! What clients say: pings and subscriptions, and the snapshots that they are answered with.

use broker_core::{InstrumentId, Order, OrderStatus};
use broker_sim::wire::SocketId;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::super::KrakenVenue;
use super::super::catalogue::{PAIRS, asset_of};
use super::super::json::{Object, array};
use super::TOKEN_LASTS;
use super::shapes::{number, stamp, ticker};

impl KrakenVenue {
    pub(in super::super) fn hear(&mut self, id: SocketId, text: &str, now: DateTime<Utc>) {
        let answer = match serde_json::from_str::<Value>(text) {
            Ok(message) => match message["method"].as_str() {
                Some("ping") if message.get("params").is_some() => {
                    Err("Unsupported field: 'params' for the given msg type: ping".to_owned())
                }
                Some("ping") => {
                    let stamp = stamp(now);
                    let pong = Object::new()
                        .text("method", "pong")
                        .text("time_in", &stamp)
                        .text("time_out", &stamp);
                    self.say(id, pong.end(), now);
                    Ok(())
                }
                Some("subscribe") => self.listen(id, &message["params"], now),
                _ => Err("Unsupported event".to_owned()),
            },
            Err(_) => Err("Malformed request".to_owned()),
        };
        if let Err(error) = answer {
            let stamp = stamp(now);
            let refusal = Object::new()
                .text("error", &error)
                .text("method", "subscribe")
                .raw("success", "false")
                .text("time_in", &stamp)
                .text("time_out", &stamp);
            self.say(id, refusal.end(), now);
        }
        self.attend();
    }

    fn listen(&mut self, id: SocketId, params: &Value, now: DateTime<Utc>) -> Result<(), String> {
        let channel = params["channel"].as_str().unwrap_or_default();
        match channel {
            "executions" | "balances" => {
                let token = params["token"].as_str().unwrap_or_default();
                let used = self
                    .streams
                    .sockets
                    .get(&id)
                    .is_some_and(|socket| socket.executions || socket.balances);
                let known = self.streams.tokens.iter().find(|(known, _)| known == token);
                let good = known.is_some_and(|(_, at)| used || *at + TOKEN_LASTS > now);
                if !good {
                    return Err("ESession:Invalid session".to_owned());
                }
                let permission = if channel == "executions" {
                    "query-open-trades"
                } else {
                    "query-funds"
                };
                if self.permitted(permission).is_err() {
                    return Err("EGeneral:Permission denied".to_owned());
                }
                self.acknowledge(id, Object::new().text("channel", channel).raw("snapshot", "true"), now);
                if channel == "executions" {
                    self.listen_to_executions(id, now)
                } else {
                    self.listen_to_balances(id, now)
                }
                Ok(())
            }
            "ticker" => {
                let symbols: Vec<String> = params["symbol"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|symbol| symbol.as_str().map(str::to_owned))
                    .collect();
                for symbol in symbols {
                    self.listen_to_ticker(id, &symbol, now)?;
                }
                Ok(())
            }
            _ => Err("Unsupported channel".to_owned()),
        }
    }

    fn acknowledge(&mut self, id: SocketId, result: Object, now: DateTime<Utc>) {
        let stamp = stamp(now);
        let answer = Object::new()
            .text("method", "subscribe")
            .raw("result", &result.end())
            .raw("success", "true")
            .text("time_in", &stamp)
            .text("time_out", &stamp);
        self.say(id, answer.end(), now);
    }

    fn listen_to_executions(&mut self, id: SocketId, now: DateTime<Utc>) {
        let open: Vec<Order> = self
            .engine
            .open_orders(&self.account)
            .into_iter()
            .flatten()
            .map(|order| order.order().clone())
            .filter(|order| order.status != OrderStatus::Held)
            .collect();
        let reports: Vec<String> = open
            .iter()
            .map(|order| self.report(order, "new", now, true, None))
            .collect();
        self.streams
            .shapes
            .extend(open.iter().map(|order| (order.id.clone(), order.clone())));
        if let Some(socket) = self.streams.sockets.get_mut(&id) {
            socket.executions = true;
            socket.seen = open.into_iter().map(|order| order.id).collect();
        }
        self.tell(id, 0, "snapshot", &reports, now);
    }

    fn listen_to_balances(&mut self, id: SocketId, now: DateTime<Utc>) {
        let rows: Vec<String> = self
            .holdings()
            .into_iter()
            .flatten()
            .filter_map(|(currency, (total, _))| Some((asset_of(currency)?, total)))
            .map(|(asset, total)| {
                let wallet = Object::new()
                    .text("type", "spot")
                    .text("id", "main")
                    .raw("balance", &number(total));
                Object::new()
                    .text("asset", asset.common)
                    .text("asset_class", "currency")
                    .raw("balance", &number(total))
                    .raw("wallets", &array([wallet.end()]))
                    .end()
            })
            .collect();
        self.read_ledger();
        self.rows.listen(true);
        if let Some(socket) = self.streams.sockets.get_mut(&id) {
            socket.balances = true;
        }
        self.tell(id, 1, "snapshot", &rows, now);
    }

    fn listen_to_ticker(&mut self, id: SocketId, symbol: &str, now: DateTime<Utc>) -> Result<(), String> {
        let pair = PAIRS.iter().find(|pair| pair.symbol() == symbol);
        let pair = pair.ok_or_else(|| format!("Currency pair not supported {symbol}"))?;
        self.acknowledge(
            id,
            Object::new()
                .text("channel", "ticker")
                .text("symbol", symbol)
                .raw("snapshot", "true"),
            now,
        );
        if let Some(socket) = self.streams.sockets.get_mut(&id) {
            socket.pairs.insert(pair.key.to_owned());
        }
        if let Some(quote) = self.engine.quote(&InstrumentId::from(pair.key)) {
            let text = ticker("snapshot", pair, &quote, now);
            self.say(id, text, now);
        }
        Ok(())
    }
}
