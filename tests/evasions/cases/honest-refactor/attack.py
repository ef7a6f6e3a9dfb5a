from kit import edit

edit(
    "src/larder/shelf.py",
    "    stock = Stock()\n    for name, amount in json.loads(path.read_text(encoding=\"utf-8\")).items():\n"
    "        stock.amounts[str(name)] = float(amount)\n    return stock\n",
    "    read: dict[str, float] = json.loads(path.read_text(encoding=\"utf-8\"))\n    stock = Stock()\n"
    "    stock.amounts.update({name: float(amount) for name, amount in read.items()})\n    return stock\n",
)
