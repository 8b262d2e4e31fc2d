"""Somebody else's client of OANDA against the wire venue: python3 oandapy_v20.py URL. Needs `pip install oandapyV20
requests`. Its table of hosts is told the venue's address; everything else is as it comes."""

import sys

import oandapyV20.oandapyV20 as v20
from oandapyV20.contrib.factories import InstrumentsCandlesFactory
from oandapyV20.contrib.requests import (
    LimitOrderRequest,
    MarketOrderRequest,
    MITOrderRequest,
    PositionCloseRequest,
    StopLossDetails,
    StopLossOrderRequest,
    StopOrderRequest,
    TakeProfitDetails,
    TakeProfitOrderRequest,
    TradeCloseRequest,
    TrailingStopLossDetails,
)
from oandapyV20.endpoints import accounts, instruments, orders, positions, pricing, trades, transactions
from oandapyV20.exceptions import V20Error

url = sys.argv[1].rstrip("/")
v20.TRADING_ENVIRONMENTS["practice"] = {"api": url, "stream": url}
api = v20.API(access_token="venue-token-of-no-worth-0123456789abcdef")


def ask(endpoint):
    answer = api.request(endpoint)
    expected = getattr(endpoint, "expected_status", endpoint.status_code)
    assert endpoint.status_code == expected, (endpoint, endpoint.status_code)
    return answer


account = ask(accounts.AccountList())["accounts"][0]["id"]
summary = ask(accounts.AccountSummary(account))["account"]
assert ask(accounts.AccountDetails(account))["account"]["balance"] == summary["balance"]
print("account", account[-3:], summary["currency"], summary["balance"])
listed = ask(accounts.AccountInstruments(account, params={"instruments": "EUR_USD,USD_JPY"}))["instruments"]
assert {one["name"]: one["pipLocation"] for one in listed} == {"EUR_USD": -4, "USD_JPY": -2}
quote = ask(pricing.PricingInfo(account, params={"instruments": "EUR_USD"}))["prices"][0]
bid, ask_price = float(quote["bids"][0]["price"]), float(quote["asks"][0]["price"])
print("quote", bid, ask_price)
candles = ask(instruments.InstrumentsCandles("EUR_USD", params={"granularity": "H1", "count": 24}))["candles"]
print("candles", len(candles))
pages = InstrumentsCandlesFactory(
    "EUR_USD", {"granularity": "D", "from": candles[0]["time"][:10] + "T00:00:00Z", "to": candles[-1]["time"][:19] + "Z"}
)
print("candles by the factory", sum(len(ask(page)["candles"]) for page in pages))

span = ask(transactions.TransactionList(account, params={"pageSize": 500}))
count = 0
for page in span["pages"]:
    query = dict(pair.split("=") for pair in page.split("?")[1].split("&"))
    count += len(ask(transactions.TransactionIDRange(account, params=query))["transactions"])
assert count == int(span["count"]) == int(span["lastTransactionID"])
last = span["lastTransactionID"]
assert ask(transactions.TransactionDetails(account, transactionID=last))["transaction"]["id"] == last
assert ask(transactions.TransactionsSinceID(account, params={"id": last}))["transactions"] == []
print("transactions", count)

for position in ask(positions.OpenPositions(account))["positions"]:
    side = "longUnits" if float(position["long"]["units"]) else "shortUnits"
    ask(positions.PositionClose(account, position["instrument"], data=PositionCloseRequest(**{side: "ALL"}).data))
assert ask(positions.OpenPositions(account))["positions"] == []
print("positions", len(ask(positions.PositionList(account))["positions"]))

entry = MarketOrderRequest(
    "EUR_USD",
    units=1000,
    takeProfitOnFill=TakeProfitDetails(price=f"{ask_price + 0.05:.5f}").data,
    stopLossOnFill=StopLossDetails(price=f"{bid - 0.05:.5f}").data,
)
filled = ask(orders.OrderCreate(account, data=entry.data))["orderFillTransaction"]
trade = filled["tradeOpened"]["tradeID"]
assert filled["units"] == "1000"
details = ask(trades.TradeDetails(account, tradeID=trade))["trade"]
assert details["currentUnits"] == "1000" and details["takeProfitOrder"]["state"] == "PENDING"
exits = {
    "takeProfit": TakeProfitDetails(price=f"{ask_price + 0.06:.5f}").data,
    "trailingStopLoss": TrailingStopLossDetails(distance="0.02000").data,
}
changed = ask(trades.TradeCRCDO(account, tradeID=trade, data=exits))
assert "takeProfitOrderTransaction" in changed and "trailingStopLossOrderTransaction" in changed
reduced = ask(trades.TradeClose(account, tradeID=trade, data=TradeCloseRequest(units=400).data))
assert reduced["orderFillTransaction"]["tradeReduced"]["units"] in ("400", "-400")
print("open trades", [one["currentUnits"] for one in ask(trades.OpenTrades(account))["trades"]])
assert ask(trades.TradesList(account, params={"instrument": "EUR_USD", "state": "OPEN"}))["trades"][0]["id"] == trade
closed = ask(positions.PositionClose(account, "EUR_USD", data=PositionCloseRequest(longUnits="ALL").data))
assert closed["longOrderFillTransaction"]["units"] == "-600"
assert ask(positions.PositionDetails(account, "EUR_USD"))["position"]["long"]["units"] == "0"

made = []
for request in (
    LimitOrderRequest("EUR_USD", units=100, price=f"{bid - 0.05:.5f}"),
    StopOrderRequest("EUR_USD", units=100, price=f"{ask_price + 0.05:.5f}"),
    MITOrderRequest("EUR_USD", units=-100, price=f"{ask_price + 0.05:.5f}"),
):
    made.append(ask(orders.OrderCreate(account, data=request.data))["orderCreateTransaction"]["id"])
again = LimitOrderRequest("EUR_USD", units=200, price=f"{bid - 0.06:.5f}")
replaced = ask(orders.OrderReplace(account, orderID=made[0], data=again.data))
made[0] = replaced["orderCreateTransaction"]["id"]
assert ask(orders.OrderDetails(account, orderID=made[0]))["order"]["units"] == "200"
pending = [one["id"] for one in ask(orders.OrdersPending(account))["orders"]]
assert set(made) <= set(pending)
assert set(made) <= {one["id"] for one in ask(orders.OrderList(account, params={"state": "ALL"}))["orders"]}
for order in pending:
    assert ask(orders.OrderCancel(account, orderID=order))["orderCancelTransaction"]["reason"] == "CLIENT_REQUEST"
print("canceled", len(pending))

trade = ask(orders.OrderCreate(account, data=MarketOrderRequest("EUR_USD", units=-500).data))
trade = trade["orderFillTransaction"]["tradeOpened"]["tradeID"]
for request in (
    StopLossOrderRequest(tradeID=trade, price=f"{ask_price + 0.05:.5f}"),
    TakeProfitOrderRequest(tradeID=trade, price=f"{bid - 0.05:.5f}"),
):
    assert "orderCreateTransaction" in ask(orders.OrderCreate(account, data=request.data))
ask(trades.TradeClose(account, tradeID=trade))
assert ask(orders.OrdersPending(account))["orders"] == [], "exits go with their trade"

for code, endpoint in (
    (404, orders.OrderCancel(account, orderID="999999999")),
    (404, trades.TradeDetails(account, tradeID="999999999")),
    (400, orders.OrderCreate(account, data=LimitOrderRequest("EUR_USD", units=1, price="1.0000001").data)),
):
    try:
        api.request(endpoint)
        raise AssertionError(f"{endpoint} was taken")
    except V20Error as error:
        assert error.code == code, error
print("refusals as they are")

prices = api.request(pricing.PricingStream(account, params={"instruments": "EUR_USD"}))
assert next(prices)["type"] == "PRICE"
lines = api.request(transactions.TransactionsStream(account))
assert next(lines)["type"] == "HEARTBEAT"
print("streams", "open")
print("all calls answered")
