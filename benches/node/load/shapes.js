'use strict';

// Twenty shapes of filters over one kind of event, each with the closure that says the same. Every shape has a
// part that few events fulfil, as what one subscriber asks for has.

const { random } = require('./random');

/** How many subscribers the ids are spread over. */
const SPREAD = 10_000;

/**
 * A filter and its closure, for subscriber number `i`. `v` is what a client would have sent.
 *
 * @typedef {object} Shape
 * @property {any} where
 * @property {(i: number) => import('distributary').Variables} variables
 * @property {(event: any, v: any) => boolean} admits
 */

/** @param {string} name */
const $ = (name) => ({ $var: name });
const id = (/** @type {number} */ i) => ({ id: i });

/** @type {Shape[]} */
const SHAPES = [
  { where: { document: { id: $('id') } }, variables: id, admits: (e, v) => e.document.id === v.id },
  {
    where: { type: 'changed', document: { id: $('id') } },
    variables: id,
    admits: (e, v) => e.type === 'changed' && e.document.id === v.id,
  },
  {
    where: { tenant: $('tenant'), document: { owner: { id: $('id') } } },
    variables: (i) => ({ tenant: i % 10, id: i }),
    admits: (e, v) => e.tenant === v.tenant && e.document.owner.id === v.id,
  },
  {
    where: { document: { id: [$('ids')] } },
    variables: (i) => ({ ids: [i, i + 1, i + 2] }),
    admits: (e, v) => v.ids.includes(e.document.id),
  },
  {
    where: { $or: [{ document: { id: $('id') } }, { document: { parent: $('id') } }] },
    variables: id,
    admits: (e, v) => e.document.id === v.id || e.document.parent === v.id,
  },
  {
    where: { document: { owner: { id: $('id'), role: [{ 'anything-but': 'viewer' }] } } },
    variables: id,
    admits: (e, v) => e.document.owner.id === v.id && e.document.owner.role !== 'viewer',
  },
  {
    where: { document: { path: [{ prefix: $('prefix') }] } },
    variables: (i) => ({ prefix: `/w/${i}/` }),
    admits: (e, v) => e.document.path.startsWith(v.prefix),
  },
  {
    where: { document: { title: [{ suffix: $('suffix') }] } },
    variables: (i) => ({ suffix: ` #${i}` }),
    admits: (e, v) => e.document.title.endsWith(v.suffix),
  },
  {
    where: { tenant: $('tenant'), document: { path: [{ wildcard: '/w/*/*.md' }], parent: $('id') } },
    variables: (i) => ({ tenant: i % 10, id: i }),
    admits: (e, v) => e.tenant === v.tenant && e.document.parent === v.id && /^\/w\/.*\/.*\.md$/s.test(e.document.path),
  },
  {
    where: { size: [{ numeric: ['>=', $('from'), '<', $('to')] }] },
    variables: (i) => ({ from: i * 100, to: i * 100 + 100 }),
    admits: (e, v) => e.size >= v.from && e.size < v.to,
  },
  {
    where: { document: { id: $('id') }, size: [{ numeric: ['>', 500_000] }] },
    variables: id,
    admits: (e, v) => e.document.id === v.id && e.size > 500_000,
  },
  {
    where: { document: { slug: [{ 'equals-ignore-case': $('slug') }] } },
    variables: (i) => ({ slug: `doc-${i}` }),
    admits: (e, v) => e.document.slug.toLowerCase() === v.slug,
  },
  {
    where: { client: { address: [{ cidr: $('network') }] } },
    variables: (i) => ({ network: `10.${i >> 8}.${i & 255}.0/24` }),
    admits: (e, v) => e.client.address.startsWith(v.network.slice(0, -4)),
  },
  {
    where: { document: { parent: $('id'), archived: [{ exists: false }] } },
    variables: id,
    admits: (e, v) => e.document.parent === v.id && e.document.archived === undefined,
  },
  {
    where: { mentions: $('id') },
    variables: id,
    admits: (e, v) => e.mentions.includes(v.id),
  },
  {
    where: { reviews: { by: $('id'), state: 'pending' } },
    variables: id,
    admits: (e, v) => e.reviews.some((/** @type {any} */ r) => r.by === v.id && r.state === 'pending'),
  },
  {
    where: { document: { id: $('id') }, $not: { document: { status: 'draft' } } },
    variables: id,
    admits: (e, v) => e.document.id === v.id && e.document.status !== 'draft',
  },
  {
    where: { document: { id: $('id') }, client: { version: [{ 'anything-but': { prefix: '1.' } }] } },
    variables: id,
    admits: (e, v) => e.document.id === v.id && !e.client.version.startsWith('1.'),
  },
  {
    where: { workspace: $('workspace'), type: 'created', document: { language: 'en' } },
    variables: (i) => ({ workspace: `w${i}` }),
    admits: (e, v) => e.workspace === v.workspace && e.type === 'created' && e.document.language === 'en',
  },
  {
    where: { workspace: $('workspace'), document: { status: [{ 'anything-but': ['draft', 'archived'] }] } },
    variables: (i) => ({ workspace: `w${i}` }),
    admits: (e, v) => e.workspace === v.workspace && !['draft', 'archived'].includes(e.document.status),
  },
];

/**
 * The event of this number.
 *
 * @param {number} serial
 */
function mixedEvent(serial) {
  const dice = random(serial + 1);
  const any = () => dice.below(SPREAD);
  const space = any();
  return {
    serial,
    type: dice.of(['created', 'changed', 'removed']),
    tenant: dice.below(10),
    workspace: `w${any()}`,
    size: any() * 100 + 50,
    document: {
      id: any(),
      parent: any(),
      title: `Notes of the meeting #${any()}`,
      slug: `Doc-${any()}`,
      path: `/w/${space}/notes.${dice.of(['md', 'txt'])}`,
      status: dice.of(['draft', 'open', 'archived']),
      language: dice.of(['en', 'de', 'fr']),
      owner: { id: any(), role: dice.of(['owner', 'viewer']), name: 'Ann Example' },
      ...(dice.below(4) === 0 ? { archived: true } : {}),
    },
    client: { address: `10.${dice.below(40)}.${dice.below(256)}.7`, version: dice.of(['1.9', '2.0', '2.1']) },
    mentions: [any(), any()],
    reviews: [
      { by: any(), state: 'pending' },
      { by: any(), state: 'done' },
    ],
  };
}

module.exports = { SHAPES, mixedEvent };
