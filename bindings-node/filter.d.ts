/** A pattern as an object: fields, and what their values may be. See {@link Filter}. */
export type Where = { readonly [field: string]: unknown };

/** Values for the variables of a filter: scalars, or lists of scalars. */
export type Variables = { readonly [name: string]: unknown };

/**
 * A condition on the fields of an event, as data. Immutable; make it once and use it for as many subscriptions as you like.
 *
 * A pattern mirrors the event, and the leaves are lists of alternatives:
 * `{ document: { id: [42], author: { role: ['editor', 'owner'] } }, size: [{ numeric: ['>', 0, '<=', 1024] }] }`.
 * All fields must hold, and a field holds if one alternative does; a scalar by itself stands for a list of it.
 *
 * | alternative | some value of the field |
 * |---|---|
 * | `'x'`, `3`, `9007199254740993n`, `true`, `null` | is that |
 * | `{ prefix: 'x' }`, `{ suffix: 'x' }` | begins, ends so |
 * | `{ 'equals-ignore-case': 'x' }` | is equal in either case |
 * | `{ wildcard: 'a*b' }` | matches |
 * | `{ numeric: ['>', 0, '<=', 9] }` | is a number in that range |
 * | `{ cidr: '10.0.0.0/8' }` | is an address of that network |
 * | `{ 'anything-but': x }` | is not `x`, or none of a list |
 * | `{ exists: true }`, `{ exists: false }` | is there; none is there |
 * | `{ $var: 'name' }` | is the value that is bound to the variable |
 *
 * `$or` and `$and` hold lists of patterns and `$not` one pattern, at any level, beside fields. Fields that go through one
 * array of objects must find their values in one element of it.
 *
 * Numbers are exact: an integer beyond 2^53 is written as a BigInt, in a filter, among variables and in a payload.
 */
export class Filter {
  /**
   * Compiles a pattern. What was compiled before is found again by its text, so this is cheap for patterns that repeat; put
   * what differs between subscribers into variables.
   *
   * @param where the pattern as an object or as JSON text, or another filter
   * @param variables values for its variables; what the filter does not ask for is ignored
   * @throws TypeError with the code `ERR_BAD_FILTER` or `ERR_BAD_VARIABLE`: where it is wrong, and what would be right there
   */
  constructor(where: Where | string | Filter, variables?: Variables);

  /**
   * The filter of an option: undefined for undefined, and a filter without values to bind is itself.
   *
   * @throws as the constructor, and if a variable has no value
   */
  static from(where: undefined, variables?: undefined): undefined;
  static from(where: Where | string | Filter | undefined, variables?: Variables): Filter | undefined;

  /** The names of the variables that have no value yet. As long as there are any, nothing can be asked of the filter. */
  readonly variables: readonly string[];

  /** This filter with values for all its variables, but the optional ones. Nothing is parsed again. */
  bind(variables: Variables): Filter;

  /** Whether it asks for nothing, so that it admits everything. */
  readonly isAll: boolean;

  /** Whether events find it by look-ups alone. If not, it is held against every event of its topics. */
  readonly isIndexed: boolean;

  /** How events find it, for people: `equality of document.id`. */
  explain(): string;

  /** Whether two filters mean the same, as far as their form tells: order and spelling make no difference. */
  equals(other: Filter): boolean;

  /**
   * Whether it admits an event with this payload: JSON as a string or as bytes, or else a value, of which is seen what JSON
   * would show of it. Never throws because of a payload: what cannot be read is admitted by a filter that asks for nothing.
   */
  matches(payload: unknown): boolean;
}
