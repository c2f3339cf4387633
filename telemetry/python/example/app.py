"""A small shop for Gunicorn, as an example: items are read, searched and ordered."""

import json
import os
import sqlite3

import mayfly_telemetry as telemetry

ITEMS = 5000

shop = sqlite3.connect(":memory:", check_same_thread=False)
shop.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, stock INTEGER)")
shop.executemany("INSERT INTO items VALUES (?, ?, ?)", ((i, f"item {i * 7919 % ITEMS}", 1000) for i in range(ITEMS)))


@telemetry.timed("search the items")
def search(words):
    rows = shop.execute("SELECT id, name FROM items WHERE name LIKE ? ORDER BY name LIMIT 20", (f"%{words}%",))
    return [{"id": id, "name": name} for id, name in rows]


def item(id):
    row = shop.execute("SELECT name, stock FROM items WHERE id = ?", (id,)).fetchone()
    return None if row is None else {"id": id, "name": row[0], "stock": row[1]}


def order(ids):
    with telemetry.timed("check the stock"):
        in_stock = [id for id in ids if item(id)["stock"] > 0]
    with telemetry.timed("write the order"):
        shop.executemany("UPDATE items SET stock = stock - 1 WHERE id = ?", ((id,) for id in in_stock))
        shop.commit()
    telemetry.sample("ordered_items_count", len(in_stock))
    return {"ordered": in_stock}


def app(environ, start_response):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    answer = None
    if (method, path) == ("POST", "/orders"):
        answer = order(json.load(environ["wsgi.input"]))
    elif (method, path) == ("GET", "/search"):
        answer = search(environ["QUERY_STRING"])
    elif method == "GET" and path.startswith("/items/"):
        answer = item(int(path[len("/items/") :]))
    status = "404 Not Found" if answer is None else "200 OK"
    start_response(status, [("Content-Type", "application/json"), ("X-Pid", str(os.getpid()))])
    return [json.dumps(answer).encode()]
