/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The interpreter of action lists. */
#pragma once

INL int fail(struct scratch *s)
{
  drop_count(s, DROP_ACTION);
  s->verdict = TC_ACT_SHOT;
  return RC_STOP;
}

INL int output_many(struct __sk_buff *skb, struct scratch *s, struct act *a)
{
  __u16 *p = (__u16 *)&a->a32;
  __u32 n = a->a16;
  for (int i = 0; i < OUTN_PORTS; i++) {
    if (i >= n)
      break;
    output(skb, s, p[i], 0);
  }
  return RC_NEXT;
}

/* Elsewhere than at the end of a list a copy is what recirculates. */
INL int recirculate(struct __sk_buff *skb, struct scratch *s, struct act *a)
{
  if (!a->a16) {
    struct act last = *a;
    last.a16 = 1;
    detour(skb, s, &last, 0);
    return RC_NEXT;
  }
  s->recirc = a->a32;
  return RC_RECIRC;
}

INL int run_through(struct __sk_buff *skb, struct scratch *s, struct act *a)
{
  if (meter_admits(a->a32, skb->len, 0))
    return RC_NEXT;
  s->skip = a->a16;
  if (s->skip)
    return RC_NEXT;
  drop_count(s, DROP_METER);
  return RC_STOP;
}

/* A copy goes round to meet the list that follows, up to its A_END; here it is passed over. */
NOINL int clone(struct __sk_buff *skb, struct scratch *s, struct act *a)
{
  __u32 z = 0;
  struct state *st = bpf_map_lookup_elem(&state, &z);
  if (!s || !a || !st)
    return RC_STOP;
  s->skip = a->a16;
  struct ctx *c = own_ctx(s, st, skb->mark, skb->priority);
  if (!c)
    return RC_NEXT;
  keep_rest(s, c);
  send_copy(skb, s, st, c);
  return RC_NEXT;
}

/* Bytes of the longest segment that the packet may become, a tag in the metadata included. */
NOINL int segment_length(struct __sk_buff *skb, struct scratch *s)
{
  __u32 len = skb->len, tag = skb->vlan_present ? 4 : 0, gso = skb->gso_size, at;
  if (!gso)
    return len + tag;
  if (!s || ((s->dirty & DIRTY_LAYOUT) && extract(skb, s)) || !s->l4)
    return len + tag;
  at = payload_at(s);
  if (!at) {
    at = s->l4 + 8;
    if (have_kfuncs) {
      struct sk_buff *k = bpf_cast_to_kern_ctx(skb);
      __u8 doff;
      if (BPF_CORE_READ_BITFIELD(k, encapsulation)) {
        at = k->inner_transport_header - (__u16)((__u64)k->data - (__u64)k->head);
        if (bpf_skb_load_bytes(skb, at + 12, &doff, 1))
          return len + tag;
        at += (doff >> 4) * 4;
      }
    }
  }
  return (at + gso < len ? at + gso : len) + tag;
}

INL int check_length(struct __sk_buff *skb, struct scratch *s, struct act *a)
{
  if (a->b[0])
    s->trunc = 0;
  if (segment_length(skb, s) <= a->a32)
    s->skip = a->a16;
  return RC_NEXT;
}

/* `ct` and what comes before it in its list. */
NOINL int ct_act(struct scratch *s, struct act *a)
{
  if (!s || !a)
    return RC_STOP;
  struct ct_args *g = &s->w.args;
  if (a->type != A_CT)
    g->given = 1;
  switch (a->type) {
  case A_CT_MARK:
    g->mark = a->a32;
    g->mark_mask = *(__u32 *)a->b;
    return RC_NEXT;
  case A_CT_LABEL:
    __builtin_memcpy(g->label, a->b, 16);
    return RC_NEXT;
  case A_CT_LABEL_MASK:
    __builtin_memcpy(g->label_mask, a->b, 16);
    return RC_NEXT;
  case A_CT_NAT:
    __builtin_memcpy(g->nat_min, a->b, 16);
    g->nat_span = a->a32;
    return RC_NEXT;
  case A_CT_CLEAR:
    s->ct_on = 0;
    s->ct.state = 0;
    s->dirty |= DIRTY_CT;
    return RC_NEXT;
  }
  g->port_min = *(__u16 *)a->b;
  g->port_max = *(__u16 *)(a->b + 2);
  s->w.zone = a->a32;
  s->w.flags = a->a16;
  return RC_CT;
}

NOINL int do_act(struct __sk_buff *skb, struct scratch *s, struct act *a)
{
  if (!s || !a)
    return RC_STOP;
  if (s->skip) {
    s->skip--;
    return RC_NEXT;
  }
  switch (a->type) {
  case A_OUT:
    output(skb, s, a->a32, a->a16 & 1);
    return a->a16 & 1 ? RC_STOP : RC_NEXT;
  case A_OUTN:
    return output_many(skb, s, a);
  case A_PUSH_VLAN:
    s->dirty |= DIRTY_LAYOUT;
    return bpf_skb_vlan_push(skb, a->a16, a->a32) ? fail(s) : RC_NEXT;
  case A_POP_VLAN:
    s->dirty |= DIRTY_LAYOUT;
    return bpf_skb_vlan_pop(skb) ? fail(s) : RC_NEXT;
  case A_RECIRC:
    return recirculate(skb, s, a);
  case A_USERSPACE:
    if (a->a16 && bpf_get_prandom_u32() >= *(__u32 *)a->b)
      return RC_NEXT;
    if (refresh(skb, s))
      return fail(s);
    upcall(skb, s, UPCALL_ACTION, a->a32);
    s->trunc = 0;
    return RC_NEXT;
  case A_TRUNC:
    /* So many bytes go, whatever headers come and go before the output. */
    s->trunc = wire_length(skb) > a->a32 ? wire_length(skb) - a->a32 : 0;
    return RC_NEXT;
  case A_DROP:
    drop_count(s, a->a32);
    return RC_STOP;
  case A_SET_TUNNEL:
    return set_tunnel(s, a);
  case A_TUN_SEND:
    s->wrap = WRAP_DONE;
    return RC_STOP;
  case A_SET_MARK: {
    __u32 m = *(__u32 *)a->b;
    skb->mark = (skb->mark & ~m) | (a->a32 & m);
    s->dirty |= DIRTY_KEY;
    return RC_NEXT;
  }
  case A_SET_PRIORITY:
    skb->priority = a->a32;
    return RC_NEXT;
  case A_METER:
    return run_through(skb, s, a);
  case A_CLONE:
    return a->a32 ? RC_NEXT : clone(skb, s, a);
  case A_CHECK_LEN:
    return check_length(skb, s, a);
  case A_SKIP:
    s->skip = a->a16;
    return RC_NEXT;
  case A_END:
    return RC_STOP;
  }
  if (a->type >= A_CT)
    return ct_act(s, a);
  if (rewrite(skb, s, a))
    return fail(s);
  s->dirty |= DIRTY_KEY;
  return RC_NEXT;
}

INL int track(struct __sk_buff *skb, struct scratch *s)
{
  int r = ct_exec(skb, s);
  if (r < 0)
    return fail(s);
  if (!r)
    return RC_NEXT;
  hold(skb, s);
  return RC_STOP;
}

/* The rest of a list that did not fit into its flow or context. */
NOINL int run_chunk(struct __sk_buff *skb, struct scratch *s, __u32 index)
{
  struct chunk *c = bpf_map_lookup_elem(&chunks, &index);
  if (!c || !s)
    return RC_STOP;
  s->chunk = index + 1;
  for (int i = 0; i < CHUNK_ACTS; i++) {
    if (i >= c->nact)
      break;
    s->at = i;
    int rc = do_act(skb, s, &c->acts[i]);
    if (rc == RC_CT)
      rc = track(skb, s);
    if (rc)
      return rc;
  }
  s->next = c->next;
  return RC_NEXT;
}

NOINL int run_chunks(struct __sk_buff *skb, struct scratch *s)
{
  if (!s)
    return RC_STOP;
  for (int i = 0; i < MAX_CHUNKS; i++) {
    if (!s->next)
      break;
    int rc = run_chunk(skb, s, s->next - 1);
    if (rc)
      return rc;
  }
  return RC_STOP;
}

/* s->nact actions in s->acts, then the chunks from s->next on. */
INL int run(struct __sk_buff *skb, struct scratch *s)
{
  __u32 n = s->nact;
  for (int i = 0; i < CTX_ACTS; i++) {
    if (i >= n)
      break;
    s->at = i;
    int rc = do_act(skb, s, &s->acts[i]);
    if (rc == RC_CT)
      rc = track(skb, s);
    if (rc)
      return rc;
  }
  return s->next ? run_chunks(skb, s) : RC_STOP;
}
