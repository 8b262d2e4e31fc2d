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


def closed(answer, side=""):
    """Whether a close filled. Where the market offers too little it is made, and canceled at once."""
    prefix = side + "Order" if side else "order"
    canceled = answer.get(prefix + "CancelTransaction")
    assert canceled["reason"] == "INSUFFICIENT_LIQUIDITY" if canceled else prefix + "FillTransaction" in answer
    return canceled is None


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
assert 0 < len(candles) <= 24
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

print("positions", len(ask(positions.PositionList(account))["positions"]))
for position in ask(positions.OpenPositions(account))["positions"]:
    side = "long" if float(position["long"]["units"]) else "short"
    closed(ask(positions.PositionClose(account, position["instrument"], data={side + "Units": "ALL"})), side)
held = {one["instrument"] for one in ask(positions.OpenPositions(account))["positions"]}
print("still held", len(held))
every = ask(accounts.AccountInstruments(account))["instruments"]
# One that is not held, so that orders open trades; its market offers some.
free = next(one for one in every if one["name"] not in held)
name, places = free["name"], free["displayPrecision"]
quote = ask(pricing.PricingInfo(account, params={"instruments": name}))["prices"][0]
bid, ask_price = float(quote["bids"][0]["price"]), float(quote["asks"][0]["price"])
print("trades", name, quote["bids"][0], quote["asks"][0])


def near(price, percent):
    return f"{price * (1 + percent / 100):.{places}f}"


entry = MarketOrderRequest(
    name,
    units=10,
    takeProfitOnFill=TakeProfitDetails(price=near(ask_price, 5)).data,
    stopLossOnFill=StopLossDetails(price=near(bid, -5)).data,
)
filled = ask(orders.OrderCreate(account, data=entry.data))["orderFillTransaction"]
trade = filled["tradeOpened"]["tradeID"]
assert filled["units"] == "10"
details = ask(trades.TradeDetails(account, tradeID=trade))["trade"]
assert details["currentUnits"] == "10" and details["takeProfitOrder"]["state"] == "PENDING"
exits = {
    "takeProfit": TakeProfitDetails(price=near(ask_price, 6)).data,
    "trailingStopLoss": TrailingStopLossDetails(distance=near(bid * 0.02, 0)).data,
}
changed = ask(trades.TradeCRCDO(account, tradeID=trade, data=exits))
assert "takeProfitOrderTransaction" in changed and "trailingStopLossOrderTransaction" in changed
reduced = ask(trades.TradeClose(account, tradeID=trade, data=TradeCloseRequest(units=4).data))
left = 6 if closed(reduced) else 10
print("open trades", len(ask(trades.OpenTrades(account))["trades"]))
assert ask(trades.TradesList(account, params={"instrument": name, "state": "OPEN"}))["trades"][0]["id"] == trade
request = PositionCloseRequest(longUnits=6)
flat = closed(ask(positions.PositionClose(account, name, data=request.data)), "long") and left == 6
assert (ask(positions.PositionDetails(account, name))["position"]["long"]["units"] == "0") == flat

made = []
for request in (
    LimitOrderRequest(name, units=100, price=near(bid, -5)),
    StopOrderRequest(name, units=100, price=near(ask_price, 5)),
    MITOrderRequest(name, units=-100, price=near(ask_price, 5)),
):
    made.append(ask(orders.OrderCreate(account, data=request.data))["orderCreateTransaction"]["id"])
again = LimitOrderRequest(name, units=200, price=near(bid, -6))
replaced = ask(orders.OrderReplace(account, orderID=made[0], data=again.data))
made[0] = replaced["orderCreateTransaction"]["id"]
assert ask(orders.OrderDetails(account, orderID=made[0]))["order"]["units"] == "200"
pending = [one["id"] for one in ask(orders.OrdersPending(account))["orders"]]
assert set(made) <= set(pending)
assert set(made) <= {one["id"] for one in ask(orders.OrderList(account, params={"state": "ALL"}))["orders"]}
for order in pending:
    assert ask(orders.OrderCancel(account, orderID=order))["orderCancelTransaction"]["reason"] == "CLIENT_REQUEST"
print("canceled", len(pending))

trade = ask(orders.OrderCreate(account, data=MarketOrderRequest(name, units=5).data))
trade = trade["orderFillTransaction"]["tradeOpened"]["tradeID"]
for request in (
    StopLossOrderRequest(tradeID=trade, price=near(bid, -5)),
    TakeProfitOrderRequest(tradeID=trade, price=near(ask_price, 5)),
):
    assert "orderCreateTransaction" in ask(orders.OrderCreate(account, data=request.data))
gone = closed(ask(trades.TradeClose(account, tradeID=trade, data=TradeCloseRequest(units="ALL").data)))
left = [one for one in ask(orders.OrdersPending(account))["orders"] if one.get("tradeID") == trade]
assert len(left) == (0 if gone else 2), "exits go with their trade"

# Its own requests round prices.
unfit = {"type": "LIMIT", "instrument": name, "units": "1", "price": "1.0000001", "timeInForce": "GTC"}
for code, endpoint in (
    (404, orders.OrderCancel(account, orderID="999999999")),
    (404, trades.TradeDetails(account, tradeID="999999999")),
    (400, orders.OrderCreate(account, data={"order": unfit})),
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
