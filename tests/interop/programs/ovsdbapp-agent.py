"""What Neutron's agents ask of the switch's database, by their library ovsdbapp: prints what came of it."""
import sys

from ovsdbapp.backend.ovs_idl import connection
from ovsdbapp.schema.open_vswitch import impl_idl


def say(name, value):
    print(f'{name}: {value}', flush=True)


idl = connection.OvsdbIdl.from_server(sys.argv[1], 'Open_vSwitch')
api = impl_idl.OvsdbIdl(connection.Connection(idl=idl, timeout=20))

with api.transaction(check_error=True) as txn:
    txn.add(api.add_br('br-int', may_exist=True, datapath_type=sys.argv[2]))
    txn.add(api.set_fail_mode('br-int', 'secure'))
    txn.add(api.br_set_external_id('br-int', 'bridge-id', 'br-int'))
    txn.add(api.db_set('Bridge', 'br-int', ('protocols', ['OpenFlow10', 'OpenFlow13'])))
    txn.add(api.db_set('Bridge', 'br-int', ('other_config', {'mac-table-size': '50000'})))
for name, tag in (('tap1', 7), ('tap2', 8)):
    with api.transaction(check_error=True) as txn:
        txn.add(api.add_port('br-int', name, may_exist=False))
        txn.add(api.db_set('Interface', name, ('type', sys.argv[2] or 'internal'),
                           ('external_ids', {'iface-id': f'port-{name}', 'attached-mac': '02:00:00:00:00:01'})))
        txn.add(api.db_set('Port', name, ('tag', tag), ('other_config', {'physnet': 'p'})))

say('bridges', sorted(api.list_br().execute(check_error=True)))
say('ports', sorted(api.list_ports('br-int').execute(check_error=True)))
say('interfaces', sorted(api.list_ifaces('br-int').execute(check_error=True)))
say('bridge of', api.iface_to_br('tap2').execute(check_error=True))
say('bridge id', api.br_get_external_id('br-int', 'bridge-id').execute(check_error=True))
rows = api.db_find('Port', ('tag', '=', 8), columns=['name', 'tag', 'other_config']).execute(check_error=True)
say('tagged', rows)
rows = api.db_list('Interface', ['tap1', 'tap2'], columns=['name', 'external_ids', 'type']).execute(check_error=True)
say('listed', sorted(rows, key=str))
say('ofport', all(isinstance(api.db_get('Interface', n, 'ofport').execute(check_error=True), int) for n in ('tap1', 'tap2')))
say('twice', len(str(api.add_br('br-int', may_exist=True).execute(check_error=True))))
api.db_add('Bridge', 'br-int', 'protocols', 'OpenFlow14').execute(check_error=True)
api.db_remove('Bridge', 'br-int', 'protocols', 'OpenFlow10').execute(check_error=True)
say('protocols', sorted(api.db_get('Bridge', 'br-int', 'protocols').execute(check_error=True)))
api.db_clear('Bridge', 'br-int', 'other_config').execute(check_error=True)
say('cleared', api.db_get('Bridge', 'br-int', 'other_config').execute(check_error=True))
api.set_controller('br-int', ['tcp:127.0.0.1:6633', 'ptcp:0']).execute(check_error=True)
say('controllers', sorted(api.get_controller('br-int').execute(check_error=True)))
qos = api.db_create('QoS', type='linux-htb', other_config={'max-rate': '1000000'}).execute(check_error=True)
api.db_set('Port', 'tap1', ('qos', qos)).execute(check_error=True)
say('qos', [q['type'] for q in api.db_list('QoS', columns=['type']).execute(check_error=True)])
try:
    api.db_set('Port', 'tap1', ('tag', 5000)).execute(check_error=True)
    say('bad tag', 'taken')
except Exception as error:
    say('bad tag', str(error).split(':')[-1][:60])
try:
    api.add_port('br-nope', 'x').execute(check_error=True)
except Exception as error:
    say('no bridge', type(error).__name__)
api.del_controller('br-int').execute(check_error=True)
api.del_port('tap1', 'br-int').execute(check_error=True)
say('left', sorted(api.list_ports('br-int').execute(check_error=True)))
api.del_br('br-int').execute(check_error=True)
say('gone', api.list_br().execute(check_error=True))
