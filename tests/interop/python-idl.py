"""A program on the distribution's Python IDL: changes rows, prints what it sees. python-idl.py REMOTE SCHEMA"""
import sys
import ovs.db.idl
import ovs.poller


def main(remote, schema):
    helper = ovs.db.idl.SchemaHelper(schema)
    helper.register_all()
    idl = ovs.db.idl.Idl(remote, helper)
    idl.set_lock("python_idl")
    wait(idl, lambda: idl.has_ever_connected() and idl.has_lock)

    def commit(change, expected):
        status = "try again"
        while status == "try again":
            idl.run()
            txn = ovs.db.idl.Transaction(idl)
            change(txn)
            status = txn.commit_block()
        print(status)
        assert status == expected, txn.get_error()

    def add(txn):
        root = txn.insert(idl.tables["Open_vSwitch"])
        root.external_ids = {"k": "v", "n": "1"}
        for name in ("br0", "br1"):
            row = txn.insert(idl.tables["Bridge"])
            row.name = name
            row.flood_vlans = [1, 2, 4095]
            root.addvalue("bridges", row)

    def row(name):
        return next(b for b in idl.tables["Bridge"].rows.values() if b.name == name)

    def edit(txn):
        row("br0").setkey("other_config", "a", "b")
        row("br0").delvalue("flood_vlans", 2)
        row("br0").verify("name")
        root = next(iter(idl.tables["Open_vSwitch"].rows.values()))
        root.bridges = [row("br0")]
        root.increment("next_cfg")

    def wrong(txn):
        row("br0").flood_vlans = [5000]

    def taken(txn):
        twin = txn.insert(idl.tables["Bridge"])
        twin.name = "br0"
        next(iter(idl.tables["Open_vSwitch"].rows.values())).addvalue("bridges", twin)

    commit(add, "success")
    commit(edit, "success")
    commit(lambda txn: None, "unchanged")
    commit(taken, "error")
    try:
        commit(wrong, "error")
    except Exception as error:
        print(type(error).__name__)
    idl.cond_change("Bridge", [["name", "==", "none"]])
    wait(idl, lambda: not idl.tables["Bridge"].rows)
    idl.cond_change("Bridge", [["name", "!=", "none"]])
    wait(idl, lambda: idl.tables["Bridge"].rows)
    for table in sorted(idl.tables):
        for found in idl.tables[table].rows.values():
            columns = idl.tables[table].columns
            plain = (c for c in columns if columns[c].type.key.type.to_string() != "uuid")
            print(table, *(f"{c}={getattr(found, c)}" for c in sorted(plain)))
    idl.close()


def wait(idl, done):
    while True:
        idl.run()
        if done():
            return
        poller = ovs.poller.Poller()
        idl.wait(poller)
        poller.block()


main(*sys.argv[1:])
