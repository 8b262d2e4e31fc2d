"""Alpaca's own Python client against the wire venue: python3 alpaca_py.py URL. Needs `pip install alpaca-py`."""

import sys
from datetime import date, datetime

from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
from alpaca.data.requests import CryptoLatestQuoteRequest, StockBarsRequest, StockLatestQuoteRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import AssetClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetAssetsRequest,
    GetCalendarRequest,
    GetOptionContractsRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
)

KEY, SECRET = "PKVENUE0000000000001", "venue-secret-of-no-worth"
url = sys.argv[1]

trading = TradingClient(KEY, SECRET, paper=True, url_override=url)
account = trading.get_account()
print("account", account.status, account.cash)
print("positions", len(trading.get_all_positions()))
page = GetOrdersRequest(status=QueryOrderStatus.ALL, limit=500, direction="asc", nested=True)
orders = trading.get_orders(page)
print("orders", len(orders))
assert trading.get_order_by_id(orders[0].id).id == orders[0].id
assert trading.get_order_by_client_id(orders[0].client_order_id).id == orders[0].id
print("assets", len(trading.get_all_assets(GetAssetsRequest(asset_class=AssetClass.US_EQUITY))))
assert trading.get_asset("AAPL").symbol == "AAPL"
print("clock", trading.get_clock().is_open)
june = GetCalendarRequest(start=date(2026, 6, 1), end=date(2026, 6, 30))
print("calendar", len(trading.get_calendar(june)))
contracts = GetOptionContractsRequest(
    underlying_symbols=["AAPL"], expiration_date_gte=date(2026, 6, 30), expiration_date_lte=date(2027, 6, 30)
)
print("contracts", len(trading.get_option_contracts(contracts).option_contracts))
print("activities", len(trading.get("/account/activities", {"page_size": 100, "direction": "asc"})))

stocks = StockHistoricalDataClient(KEY, SECRET, url_override=url)
quotes = stocks.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=["AAPL", "SPY"]))
print("quotes", sorted(quotes))
bars = StockBarsRequest(
    symbol_or_symbols="AAPL", timeframe=TimeFrame.Day, start=datetime(2026, 6, 1), end=datetime(2026, 6, 30), limit=5
)
print("bars", len(stocks.get_stock_bars(bars).data["AAPL"]))
coins = CryptoHistoricalDataClient(KEY, SECRET, url_override=url)
print("coin", coins.get_crypto_latest_quote(CryptoLatestQuoteRequest(symbol_or_symbols="BTC/USD"))["BTC/USD"].ask_price)

market = MarketOrderRequest(symbol="BTC/USD", qty=0.01, side=OrderSide.BUY, time_in_force=TimeInForce.GTC)
print("market order", trading.submit_order(market).status)
limit = LimitOrderRequest(symbol="AAPL", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, limit_price=1.00)
placed = trading.submit_order(limit)
replaced = trading.replace_order_by_id(placed.id, ReplaceOrderRequest(limit_price=1.01))
assert replaced.replaces == placed.id
trading.cancel_order_by_id(replaced.id)
assert trading.get_order_by_id(replaced.id).status == OrderStatus.CANCELED
print("canceled all", len(trading.cancel_orders()))
print("all calls answered")
