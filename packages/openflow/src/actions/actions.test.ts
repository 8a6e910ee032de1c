/** Actions and instructions in text and in bytes of each version, both ways. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OFPP_MAX, type OfpVersion } from '../constants.ts';
import { OfpError } from '../errors.ts';
import { Match } from '../match.ts';
import {
  checkActions,
  emitActions,
  emitInstructions,
  enableDebugActions,
  formatActions,
  parseActions,
  parseActionsText,
  parseInstructions,
} from './index.ts';

const VERSIONS: readonly OfpVersion[] = [1, 2, 3, 4, 5, 6];

/** Actions as every version prints them back. */
const STABLE = [
  'output:7',
  'CONTROLLER:128',
  'output:NXM_NX_REG0[0..15]',
  'output(port=3,max_len=100)',
  'controller(reason=no_match,max_len=3,id=5)',
  'controller(id=5,userdata=01.02.03,pause,meter_id=4)',
  'group:9',
  'bundle(eth_src,50,hrw,ofport,members:1,2,3)',
  'bundle_load(symmetric_l4,4,active_backup,ofport,NXM_NX_REG0[0..15],members:1)',
  'multipath(symmetric_l3,50,iter_hash,5,8,NXM_NX_REG0[3..9])',
  'move:NXM_NX_REG0[0..7]->NXM_NX_XXREG1[100..107]',
  'dec_ttl(1,2,3)',
  'set_queue:5',
  'pop_queue',
  'push:NXM_NX_REG0[0..5]',
  'pop:NXM_OF_ETH_SRC[]',
  'fin_timeout(idle_timeout=3,hard_timeout=4)',
  'sample(probability=3,collector_set_id=4,obs_domain_id=5,obs_point_id=6,egress)',
  'note:01.02.03.04.05.06',
  'resubmit(3,4)',
  'resubmit(,9,ct)',
  'exit',
  'ct_clear',
  'ct(table=4,zone=NXM_NX_REG0[0..15],nat)',
  'ct(commit,zone=4,nat(src=1.2.3.4-1.2.3.9:1-100,random))',
  'ct(commit,nat(dst=[fe80::1]-[fe80::5]:80,persistent))',
  'clone(output:1,output:2)',
  'learn(table=4,idle_timeout=5,priority=7,send_flow_rem,cookie=0x8,limit=3,NXM_OF_VLAN_TCI[0..11],eth_type=0x800,load:0x5->NXM_NX_REG0[3..9],output:NXM_OF_IN_PORT[])',
  'check_pkt_larger(1500)->NXM_NX_REG0[3]',
  'delete_field:tun_metadata0',
];

const lists = fc.array(fc.constantFrom(...STABLE), { minLength: 1, maxLength: 6 });
const versions = fc.constantFrom(...VERSIONS);

test('text and bytes of each version say the same', () => {
  fc.assert(
    fc.property(lists, versions, (texts, version) => {
      const text = texts.join(',');
      const acts = parseActionsText(text);
      assert.equal(formatActions(acts), text);
      const bytes = emitActions(acts, version);
      const again = parseActions(bytes, version);
      assert.equal(formatActions(again), text);
      assert.deepEqual(emitActions(again, version), bytes);
    }),
  );
});

test('versions differ where they must', () => {
  const forms = (text: string) =>
    VERSIONS.map((v) =>
      formatActions(parseInstructions(emitInstructions(parseActionsText(text), v), v)),
    );
  assert.deepEqual(forms('mod_nw_src:1.2.3.4'), [
    'mod_nw_src:1.2.3.4',
    'mod_nw_src:1.2.3.4',
    ...Array.from({ length: 4 }, () => 'set_field:1.2.3.4->ip_src'),
  ]);
  assert.deepEqual(forms('set_field:0x3/0xff->reg0'), [
    ...Array.from({ length: 5 }, () => 'load:0x3->NXM_NX_REG0[0..7]'),
    'set_field:0x3/0xff->reg0',
  ]);
  assert.deepEqual(forms('enqueue:1:2').slice(0, 2), [
    'enqueue:1:2',
    'set_queue:2,output:1,pop_queue',
  ]);
  assert.deepEqual(forms('output:1,goto_table:3').slice(0, 2), [
    'output:1,resubmit(,3)',
    'output:1,goto_table:3',
  ]);
});

test('bytes that are cut short or wrong are an OfpError at most', () => {
  const ofpErrorOnly = (run: () => unknown) => {
    try {
      run();
    } catch (e) {
      if (!(e instanceof OfpError)) throw e;
    }
  };
  for (const version of VERSIONS) {
    const bytes = emitActions(parseActionsText(STABLE.join(',')), version);
    for (let n = 0; n < bytes.length; n++) {
      ofpErrorOnly(() => parseActions(bytes.subarray(0, n), version));
      ofpErrorOnly(() => parseInstructions(bytes.subarray(0, n), version));
    }
  }
  fc.assert(
    fc.property(lists, versions, fc.nat(), fc.nat(255), (texts, version, at, value) => {
      const bytes = emitActions(parseActionsText(texts.join(',')), version);
      bytes[at % bytes.length] = value;
      ofpErrorOnly(() => {
        const acts = parseActions(bytes, version);
        formatActions(acts);
        emitActions(acts, version);
      });
    }),
  );
});

test('actions must fit the match, from OpenFlow 1.1 on', () => {
  const context = { match: new Match(), tableId: 5, nTables: 255, maxPorts: OFPP_MAX };
  const check = (text: string, version: OfpVersion) =>
    checkActions(parseActionsText(text), context, version);
  assert.equal(check('mod_nw_src:1.2.3.4', 1).length, 1);
  assert.throws(() => check('mod_nw_src:1.2.3.4', 4), { ofpErr: 'OFPBAC_MATCH_INCONSISTENT' });
  assert.throws(() => check('set_field:1.2.3.4->ip_src', 1), {
    ofpErr: 'OFPBAC_MATCH_INCONSISTENT',
  });
  assert.throws(() => check('goto_table:5', 4), { ofpErr: 'OFPBIC_BAD_TABLE_ID' });
  assert.throws(() => check('output:65280', 4), { ofpErr: 'OFPBAC_BAD_OUT_PORT' });
});

test('what is wrong is said in words', () => {
  const wrong: readonly (readonly [string, string])[] = [
    ['foo', 'unknown action foo'],
    ['drop,1', '"drop" must not be accompanied by any other action or instruction'],
    ['set_field:1->foo', 'foo is not a valid OXM field name'],
    [
      'move:reg0[]->reg1[0..3]',
      'reg0[]->reg1[0..3]: source field is 32 bits wide but destination is 4 bits wide',
    ],
    ['ct(foo)', 'invalid argument to "ct" action: `foo\''],
    ['resubmit(,)', 'at least one "in_port" or "table" must be specified on resubmit'],
  ];
  for (const [text, message] of wrong) assert.throws(() => parseActionsText(text), { message });
});

test('test actions are unknown until a dummy switch enables them', () => {
  const bytes = emitActions(parseActionsText('debug_recirc,debug_slow'), 4);
  assert.throws(() => parseActions(bytes, 4), { ofpErr: 'OFPBAC_BAD_VENDOR_TYPE' });
  enableDebugActions();
  assert.equal(formatActions(parseActions(bytes, 4)), 'debug_recirc,debug_slow');
});
