/** What has differed before: flows, groups and what is done between frames, by what it is about. */
import { toHex } from '@heddle/packet';
import * as b from '@heddle/packet/build';

export interface Case {
  readonly groups?: readonly string[];
  /** ovs-ofctl's words between the first frames and as many again. */
  readonly between?: readonly (readonly string[])[];
  /** Others than FRAMES. */
  readonly frames?: readonly string[];
  /** A port that is deleted then. */
  readonly gone?: string;
  /** By bridge. */
  readonly flows: readonly (readonly string[])[];
  readonly deleted?: string;
  readonly again?: readonly string[];
  readonly sent?: readonly string[];
}

const NAT = 'ct(commit,nat(src=10.0.0.77))';
/** What has differed before. */
export const CASES: Readonly<Record<string, Case>> = {
  'what another bridge makes of a packet stays there': {
    flows: [
      [
        'actions=output:9,output:2',
        'priority=40000,in_port=4,actions=resubmit(,1),output:9,output:2',
      ],
      [`udp,actions=${NAT},output:1`, 'arp,actions=encap(nsh(md_type=1)),encap(ethernet),output:1'],
    ],
  },
  'another bridge sees no tunnel': {
    flows: [
      [
        'actions=set_field:5->tun_id,set_field:1.1.1.1->tun_dst,output:9,resubmit(,1)',
        'table=1,tun_id=5,actions=output:2',
      ],
      [
        'tun_id=5,actions=output:2',
        'tun_id=0,priority=3,actions=set_field:7->tun_id,controller,output:1',
      ],
    ],
  },
  'the table-miss flow tells of misses': {
    flows: [
      [
        'priority=1,arp,actions=output:9,controller',
        'priority=0,actions=resubmit(,1)',
        'table=1,priority=0,actions=controller,output:9',
      ],
      ['priority=0,tun_id=0,actions=controller'],
    ],
  },
  'a bucket that cannot be gone on with ends alone': {
    groups: ['group_id=20,type=all,bucket=actions=resubmit(,3),bucket=actions=output:4'],
    flows: [['actions=group:20,output:2', 'table=3,actions=output:3,encap(ethernet),output:1'], []],
  },
  'another bridge that cannot go on ends alone': {
    flows: [['actions=output:9,output:2'], ['actions=output:1,encap(ethernet),output:2']],
  },
  'a packet in all buckets counts once': {
    groups: [
      'group_id=20,type=all,bucket=actions=output:3,bucket=actions=output:4',
      'group_id=21,type=all',
    ],
    flows: [['no_byte_counts,actions=group:20,group:21'], []],
  },
  'flows go with the last that learns them': {
    flows: [
      [
        'table=0,udp,actions=resubmit(,1),resubmit(,2)',
        'table=1,actions=learn(table=9,cookie=5,delete_learned,NXM_OF_ETH_SRC[])',
        'table=2,actions=learn(table=8,cookie=5,delete_learned,NXM_OF_ETH_SRC[])',
        'table=2,priority=3,actions=learn(table=8,cookie=5,delete_learned,NXM_OF_ETH_SRC[])',
        'table=9,cookie=5,priority=7,actions=drop',
      ],
      [],
    ],
    deleted: 'table=1',
  },
  'a flow that is added again counts on': {
    flows: [['actions=output:2', 'priority=40000,udp,actions=output:3'], []],
    again: ['actions=output:1', 'reset_counts,priority=40000,udp,actions=output:3'],
  },
  'a controller sends as if by no port': {
    flows: [[], []],
    sent: ['CONTROLLER', 'NONE', '77'].map((port) => `in_port=${port},actions=NORMAL`),
  },
  'an indirect group has several buckets when others are put in': {
    groups: ['group_id=20,type=indirect,bucket=bucket_id:0,actions=output:3'],
    flows: [['actions=group:20,output:2'], []],
    between: [
      [
        'insert-buckets',
        'br0',
        'group_id=20,command_bucket_id=last,bucket=bucket_id:7,actions=output:4',
      ],
    ],
  },
  'an indirect group is there without buckets': {
    groups: ['group_id=20,type=indirect,bucket=bucket_id:0,actions=output:3'],
    flows: [['actions=group:20,output:2'], []],
    between: [['remove-buckets', 'br0', 'group_id=20,command_bucket_id=all']],
  },
  'a port that is down is not alive, and takes packets': {
    groups: [
      'group_id=20,type=ff,bucket=watch_port:2,actions=output:2,bucket=watch_port:3,actions=output:3',
    ],
    flows: [['actions=group:20'], []],
    between: [
      ['mod-port', 'br0', 'p2', 'down'],
      ['mod-port', 'br0', 'p1', 'down'],
    ],
  },
  "what is sent to a port that is down is its device's": {
    flows: [['actions=output:2,output:3'], []],
    between: [['mod-port', 'br0', 'p2', 'down']],
  },
  'a group is referred to as often as it is mentioned': {
    groups: ['group_id=20,type=all,bucket=bucket_id:0,actions=output:3'],
    flows: [['actions=group:20,clone(group:20),write_actions(group:20,group:20)'], []],
  },
  'packets count for what was done with them': { flows: [['actions=output:9'], []], gone: 'p1' },
  'a port that takes nothing takes nothing from a controller either': {
    flows: [['actions=output:2'], []],
    between: [['mod-port', 'br0', 'p1', 'no-receive']],
    sent: ['in_port=1,actions=output:3', 'in_port=2,actions=output:3'],
  },
  'what a pause interrupts is of no table any more': {
    flows: [['udp,actions=ct(table=9)', 'table=9,actions=controller(pause),output:2'], []],
  },
  'a packet is untracked behind ct': { flows: [['udp,actions=ct(commit),controller'], []] },
  'a patch port carries packets without Ethernet headers': {
    flows: [['actions=encap(nsh(md_type=1)),output:9,output:2'], ['actions=decap(),output:1']],
  },
  'packets with labels count for their own flows': {
    frames: ['00300101', '00300100'].map(
      (lse) => `ffffffffffff5054000000018847${lse}${'00'.repeat(40)}`,
    ),
    flows: [['mpls,mpls_ttl=0,actions=output:2', 'mpls,mpls_ttl=1,actions=output:3'], []],
    between: [['mod-port', 'br0', 'p4', 'no-flood']],
  },
  'a patch port is neither up nor down': {
    flows: [['actions=output:9'], ['actions=output:1']],
    between: [['mod-port', 'br0', 'pa', 'down']],
  },
  'an option that is zero is no option that is there': {
    flows: [
      [
        'tun_metadata0=0,actions=output:2',
        'tun_metadata0,actions=output:3',
        'tun_metadata1=0/0xff,actions=output:4',
      ],
      [],
    ],
  },
};
export const FRAMES = [
  b.ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, b.udp({ src: 1, dst: 2 })),
  b.arp({ op: 1, sha: 1, spa: '10.0.0.1', tpa: '10.0.0.2' }),
].map((part) => toHex(b.ethernet({ src: '50:54:00:00:00:01', dst: '50:54:00:00:00:02' }, part)));
