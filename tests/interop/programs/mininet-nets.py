"""Mininet's own switches, links and controller on the commands that are first on PATH.

Prints a JSON object per network: its name, the share of pings lost in percent, what else was asked."""
import json
import sys

from mininet.link import TCLink
from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import OVSBridge, OVSController, OVSSwitch
from mininet.topo import LinearTopo, SingleSwitchTopo
from mininet.topolib import TreeTopo

setLogLevel('error')


def tell(name, net, **more):
    print(json.dumps(dict(name=name, lost=net.pingAll(), **more)), flush=True)


def bridge():
    net = Mininet(topo=SingleSwitchTopo(3), switch=OVSBridge, controller=None)
    net.start()
    flows = net['s1'].cmd('ovs-ofctl --color=never dump-flows s1').count('actions=')
    ports = net['s1'].cmd('ovs-vsctl list-ports s1').split()
    tell('bridge', net, flows=flows, ports=sorted(ports))
    net.stop()


def listening():
    """A switch that anybody may connect to, and nobody does."""
    net = Mininet(topo=SingleSwitchTopo(2), switch=OVSBridge, controller=None, listenPort=6654)
    net.start()
    net.start()
    flows = net['s1'].cmd('ovs-ofctl --color=never dump-flows tcp:127.0.0.1:6654').count('actions=')
    tell('listening', net, flows=flows)
    net.stop()


def controlled():
    net = Mininet(topo=TreeTopo(2, 2), switch=OVSSwitch, controller=OVSController)
    net.start()
    connected = net.waitConnected(60)
    tell('controlled', net, connected=connected)
    net.configLinkStatus('s1', 's2', 'down')
    print(json.dumps(dict(name='cut', lost=net.ping([net['h1'], net['h4']], timeout='1'))), flush=True)
    net.configLinkStatus('s1', 's2', 'up')
    lost = 100.0
    for _ in range(30):
        lost = net.ping([net['h1'], net['h4']], timeout='1')
        if lost == 0:
            break
    print(json.dumps(dict(name='mended', lost=lost)), flush=True)
    net.stop()


def shaped():
    net = Mininet(topo=LinearTopo(2), switch=OVSBridge, controller=None, link=TCLink)
    net.start()
    net['s1'].connectionsTo(net['s2'])[0][0].config(bw=10, use_tbf=False)
    tell('shaped', net, qdisc=net['s1'].cmd('tc qdisc show dev s1-eth2').split()[1])
    net.stop()


def by_hand():
    net = Mininet(topo=SingleSwitchTopo(3), switch=OVSSwitch, controller=None)
    net.start()
    s1 = net['s1']
    s1.dpctl('add-flow', 'priority=1,actions=flood')
    s1.dpctl('add-flow', 'priority=9,ip,nw_src=10.0.0.3,actions=drop')
    lost = {f'{a}-{b}': net.ping([net[a], net[b]], timeout='1') for a, b in (('h1', 'h2'), ('h1', 'h3'))}
    dump = s1.cmd('ovs-ofctl --color=never dump-flows s1 nw_src=10.0.0.3,ip')
    print(json.dumps(dict(name='by hand', lost=lost, dropped='n_packets=0' not in dump)), flush=True)
    net.stop()


for part in sys.argv[1:]:
    globals()[part]()
