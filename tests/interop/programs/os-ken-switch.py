"""A learning switch of the OS-Ken framework, that also asks for what a controller may ask for.

For osken-manager; OSKEN_VERSION is a version of OpenFlow (1.0 to 1.5), lines on stdout tell what came."""
import os

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib.packet import ethernet, packet
from os_ken.ofproto import (ofproto_v1_0, ofproto_v1_2, ofproto_v1_3, ofproto_v1_4, ofproto_v1_5)

VERSION = os.environ['OSKEN_VERSION']
MODULES = {'1.0': ofproto_v1_0, '1.2': ofproto_v1_2, '1.3': ofproto_v1_3, '1.4': ofproto_v1_4,
           '1.5': ofproto_v1_5}


def say(*words):
    print(*words, flush=True)


class Switch(app_manager.OSKenApp):
    OFP_VERSIONS = [MODULES[VERSION].OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ports = {}

    def add_flow(self, datapath, priority, match, actions):
        parser, ofp = datapath.ofproto_parser, datapath.ofproto
        if VERSION == '1.0':
            mod = parser.OFPFlowMod(datapath, match=match, cookie=0, command=ofp.OFPFC_ADD,
                                    priority=priority, actions=actions)
        else:
            inst = [parser.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions)]
            mod = parser.OFPFlowMod(datapath=datapath, priority=priority, match=match,
                                    instructions=inst)
        datapath.send_msg(mod)

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def features(self, ev):
        datapath = ev.msg.datapath
        parser, ofp = datapath.ofproto_parser, datapath.ofproto
        say('features', format(ev.msg.datapath_id, '016x'))
        if VERSION == '1.0':
            datapath.send_msg(parser.OFPDescStatsRequest(datapath, 0))
            return
        self.add_flow(datapath, 0, parser.OFPMatch(),
                      [parser.OFPActionOutput(ofp.OFPP_CONTROLLER, ofp.OFPCML_NO_BUFFER)])
        datapath.send_msg(parser.OFPDescStatsRequest(datapath, 0))
        if VERSION != '1.2':
            datapath.send_msg(parser.OFPPortDescStatsRequest(datapath, 0))

    @set_ev_cls(ofp_event.EventOFPDescStatsReply, MAIN_DISPATCHER)
    def desc(self, ev):
        body = ev.msg.body
        say('desc', (body if VERSION == '1.0' else body).mfr_desc.decode()
            if isinstance(body.mfr_desc, bytes) else body.mfr_desc)

    @set_ev_cls(ofp_event.EventOFPPortDescStatsReply, MAIN_DISPATCHER)
    def port_desc(self, ev):
        names = (p.name.decode() if isinstance(p.name, bytes) else p.name for p in ev.msg.body)
        say('ports', *sorted(names))

    @set_ev_cls(ofp_event.EventOFPErrorMsg, [CONFIG_DISPATCHER, MAIN_DISPATCHER])
    def error(self, ev):
        say('error', ev.msg.type, ev.msg.code)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, ev):
        msg = ev.msg
        datapath = msg.datapath
        parser, ofp = datapath.ofproto_parser, datapath.ofproto
        in_port = msg.in_port if VERSION == '1.0' else msg.match['in_port']
        eth = packet.Packet(msg.data).get_protocols(ethernet.ethernet)[0]
        self.ports[eth.src] = in_port
        out_port = self.ports.get(eth.dst, ofp.OFPP_FLOOD)
        actions = [parser.OFPActionOutput(out_port)]
        if out_port != ofp.OFPP_FLOOD:
            if VERSION == '1.0':
                match = parser.OFPMatch(in_port=in_port, dl_dst=bytes.fromhex(eth.dst.replace(':', '')))
            else:
                match = parser.OFPMatch(in_port=in_port, eth_dst=eth.dst)
            self.add_flow(datapath, 1, match, actions)
            say('flow', in_port, out_port)
        more = {}
        if VERSION == '1.5':
            more['match'] = parser.OFPMatch(in_port=in_port)
        else:
            more['in_port'] = in_port
        data = msg.data if msg.buffer_id == ofp.OFP_NO_BUFFER else None
        datapath.send_msg(parser.OFPPacketOut(datapath=datapath, buffer_id=msg.buffer_id,
                                              actions=actions, data=data, **more))
