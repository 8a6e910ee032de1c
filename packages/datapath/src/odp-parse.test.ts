/** How far texts are read, and what is made of odd ones: as Open vSwitch's dpctl/parse-actions has it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAttrs } from './odp-format-attrs.ts';
import { keyOfAttrs } from './odp-key.ts';
import { formatOdpTextActions, parseOdpTextActions } from './odp-parse.ts';
import { OdpParseError } from './odp-parse-error.ts';
import { parseOdpAttrs } from './odp-parse-flow.ts';

const READ = {
  'ct(commitnat)': 'ct(commit,nat)',
  'ct(nat(src)commit)': 'ct(commit,nat(src))',
  'ct(,commit)': 'ct(commit)',
  'ct(zone=5mark=5)': 'ct(zone=5,mark=0x5/0xffffffff)',
  'ct(zone=-1)': 'ct(zone=65535)',
  'ct(mark=10)': 'ct(mark=0x10/0xffffffff)',
  'ct(mark=a/ 6)': 'ct(mark=0xa/0x6)',
  'ct(mark=-99999999999)': 'ct(mark=0x66666667/0xffffffff)',
  'ct(mark=5,mark=6/0)': 'ct',
  'ct(label=-1)': 'ct(label=0xffffffffffffffff)',
  'ct(label=0x5 /0xff)': 'ct(label=0x5/0xff)',
  'ct(label=010/0x10000000000000000)': 'ct(label=0x8/0x10000000000000000)',
  'ct(label=5/0x)': 'ct',
  'ct(helper=ftp(,commit)': 'ct(commit,helper=ftp()',
  'ct(timeout=05)': 'ct(timeout=05)',
  'ct(nat(src=1.1.1.1:5--99))': 'ct(nat(src=1.1.1.1:5-65437))',
  'ct(nat(src=1.1.1.1: 65540-5))': 'ct(nat(src=1.1.1.1:4-5))',
  'ct(nat(src=1.1.1.1:5-0))': 'ct(nat(src=1.1.1.1:5))',
  'ct(nat(src=1.1.1.1:0-5))': 'ct(nat(src=1.1.1.1))',
  'ct(nat(src=-1.1.1.300- 255.1.1.45))': 'ct(nat(src=255.1.1.44-255.1.1.45))',
  'ct(nat(src=1.1.1.1-0.0.0.0))': 'ct(nat(src=1.1.1.1))',
  'ct(nat(src=1.1.1.1persistent))': 'ct(nat(src=1.1.1.1,persistent))',
  'ct(nat(src=1.1.1.1-1.1.1.3,src=2.2.2.2,src=1.1.1.1))': 'ct(nat(src=1.1.1.1-1.1.1.3))',
  'ct(nat(src=1.1.1.1-1.1.1.3:5-9,src=[::1]))': 'ct(nat(src=[::1]-[101:103::]:5-9))',
  'ct(nat(src=1.1.1.1:5-9,src=1.1.1.1:7))': 'ct(nat(src=1.1.1.1:7-9))',
  'ct(nat(src=::1-[::2]:5))': 'ct(nat(src=[::1]-[::2]:5))',
  'ct(nat(src,random))': 'ct(nat(src))',
  'ct(nat(random))': 'ct(nat)',
  'ct(nat(src=0.0.0.0,random))': 'ct(nat(src=0.0.0.0,random))',
  'add_mpls(label=1,tc=-1,ttl=010,bos=1,eth_type=0x 18847)':
    'add_mpls(label=31,tc=7,ttl=10,bos=1,eth_type=0x8847)',
  'push_nsh(c1=0x-1,spi=0x 5)':
    'push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x5,si=255,c1=0xffffffff,c2=0x0,c3=0x0,c4=0x0)',
  'push_nsh(mdtype=2,md2=0x123)':
    'push_nsh(flags=0,ttl=63,mdtype=2,np=3,spi=0x0,si=255,md2=0x12000000)',
  'set(vlan(vid=3/65541,pcp=65537))': 'set(vlan(vid=3/0x5,pcp=1))',
  'userspace(pid=1,slow_path(+5))': 'userspace(pid=1,slow_path(cfm,lacp))',
  'userspace(pid=1,slow_path(010cfm|))': 'userspace(pid=1,slow_path(cfm,stp))',
  'set(tcp_flags(1[800]|syn))': 'set(tcp_flags(fin|syn|[800]))',
  'set(tunnel(dst=1.1.1.1,ttl=3,flags(1df),flags(csum)))':
    'set(tunnel(dst=1.1.1.1,ttl=3,flags(oam|df|csum)))',
  'set(tunnel(dst=1.1.1.1,ttl=3,gtpu(flags=1,msgtype=2,))':
    'set(tunnel(dst=1.1.1.1,ttl=3,gtpu(flags=0,msgtype=0)))',
  'set(tunnel(dst=1.1.1.1,ttl=3,vxlan(gbp(id=5,))))':
    'set(tunnel(dst=1.1.1.1,ttl=3,vxlan(gbp(id=5))))',
  'set(tunnel(dst=1.1.1.1,ttl=3,geneve({class=1/3,len=4/0,010/7})))':
    'set(tunnel(dst=1.1.1.1,ttl=3,geneve({class=0x1/0x3,0x8/0x7})))',
  'set(tunnel(dst=1.1.1.1/255.0.0.0,ttl=3,flags(df)))': 'set(tunnel(dst=1.1.1.1,ttl=3,flags(df)))',
  'set(tunnel(dst=1.1.1.1/255.0.0.0,ttl=3,flags(oam|df|csum)))':
    'set(tunnel(dst=1.1.1.1/255.0.0.0,ttl=3,flags(+oam+df+csum)))',
  'set(tunnel(tun_id=5,dst=1.1.1.1,ttl=3,flags(2/2)))':
    'set(tunnel(tun_id=0x5,dst=1.1.1.1,ttl=3,flags(+df+key)))',
  'set(tunnel(dst=1.1.1.1,ttl=3,gtpu(msgtype=2)))':
    'set(tunnel(dst=1.1.1.1,ttl=3,gtpu(msgtype=2)))',
  'set(tunnel(dst=1.1.1.1,ttl=3,erspan(ver=2,dir=1)))':
    'set(tunnel(dst=1.1.1.1,ttl=3,erspan(ver=2,dir=1/0x1)))',
};

const REFUSED = [
  ...['ct( )', 'ct(commit,)', 'ct(commit,force_commit)', 'ct(mark=0x)', 'ct(label=08)'],
  ...['ct(label=5 /6)', 'ct(label=18446744073709551616)', 'ct(helper=1234567890123456)'],
  ...['ct(nat(src,))', 'ct(nat(srcdst))', 'ct(nat(src=1.1.1.1,random,hash))', 'ct(nat(src=::1]))'],
  ...['ct(nat(src=[::1]-::2]:80))', 'ct(nat(src=[::2]-[::1]))', 'ct(nat(src=1.1.1.1:5-65540))'],
  ...['ct(nat(src=1.1.1.1:5-9,src=1.1.1.1:10))', 'ct(nat(src=1.1.1.1-1.1.1.3,src=2.2.2.2))'],
  ...['add_mpls(label=1,tc=0,ttl=0x7,bos=1,eth_type=0x8847)', 'push_nsh(spi=5)'],
  ...['add_mpls(label=1,tc=0,ttl=7,bos=1,eth_type=34887)', 'push_nsh(c1= 0x1)'],
  ...['userspace(pid=1,slow_path(cfm||lacp))', 'userspace(pid=1,slow_path(|cfm))'],
  ...['set(tunnel(flags(16)))', 'set(tunnel(flags([2])))', 'set(tunnel(flags(1/16)))'],
  ...['set(tunnel(ipv6_dst= ::1))', 'set(tunnel(geneve({len=4,})))', 'set(tunnel(gtpu(x)))'],
  ...['set(tunnel(erspan(ver=2,hwid=1,dir=1)))', 'set(tunnel(vxlan(gbp(flags=8,id=5))))'],
];

test('texts are read as far as Open vSwitch reads them', () => {
  for (const [text, read] of Object.entries(READ)) {
    assert.equal(formatOdpTextActions(parseOdpTextActions(text)), read, text);
  }
});

test('what Open vSwitch does not read is refused', () => {
  for (const text of REFUSED) {
    assert.throws(() => parseOdpTextActions(text), OdpParseError, text);
  }
});

test('what a tunnel goes on with behind options without an end', () => {
  const text =
    'tunnel(ttl=4,erspan(ver=1,idx=5,tos=3),tunnel(ttl=64,gtpu(flags=0x30,msgtype=2,flags(df))';
  assert.equal(
    formatAttrs(parseOdpAttrs(text)),
    'tunnel(ttl=4,erspan(ver=0),tos=0x3,flags(0)),tunnel(ttl=64,gtpu(flags=0,msgtype=0),flags(df))',
  );
});

test('a tag that nothing is in need not say that it is there', () => {
  const key = (text: string) => keyOfAttrs(parseOdpAttrs(text)).flow.vlanTci0;
  assert.equal(key('eth(),eth_type(0x8100),vlan(vid=5,cfi=0)'), 5);
  assert.throws(() => key('eth_type(0x8100),vlan(vid=5,cfi=0),encap()'), /CFI bit is not set/);
});
