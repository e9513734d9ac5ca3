// Topics that move to other names and other servers while they are in use.

import type { DistributaryError, RedisOptions } from './index';

/**
 * How far a topic has moved, as one hub sees it. Stages are entered one after the other, and left the same way
 * backwards:
 *
 * | stage | reads | writes |
 * |---|---|---|
 * | `'old'` | old | old |
 * | `'dual-read'` | both | old |
 * | `'new-write'` | both | new |
 * | `'new'` | new | new |
 */
export type MigrationStage = 'old' | 'dual-read' | 'new-write' | 'new';

/** Where events come from, or where they move to. */
export type MigrationSide = 'old' | 'new';

/** What is moved, and where to: to another name, to another server, or both. */
export interface MigrationCourse {
  /** The topic. In the hub it is called so at every stage. */
  topic: string;
  /** What its channel is called on the new side. Default: the same. */
  to?: string;
  /** The server, Sentinels or cluster of the new side. Default: the same. */
  onto?: string | RedisOptions;
  /**
   * Of two equal payloads that come by the two sides within so many milliseconds, the second is let go. 0 lets nothing
   * go: right without publishers that write to both sides, and without a mirror between them. Default: 2,000.
   */
  window?: number;
  /** A side is given up only after nobody wrote to it for so many milliseconds. Default: 2,000. */
  quiet?: number;
  /** What is asked of a side before events go to it. */
  demands?: MigrationDemands;
}

/** What is asked of a server before events go to it. */
export interface MigrationDemands {
  /** Replicas that each master must have online. Default: 0. */
  replicas?: number;
  /** They must have been there, unchanged, for so many milliseconds, or since the server started. Default: 60,000. */
  stable?: number;
  /** No replica may have begun anew for so many milliseconds, or since the server started. Default: 300,000. */
  steady?: number;
  /** They must lack fewer bytes than this. Default: 1 MiB. */
  behind?: number;
  /** Probes of the last ten seconds must be faster than so many milliseconds, but for an odd one. Default: 200. */
  lag?: number;
  /** Memory in use, as a share of what may be used, must be below. Default: 0.8. */
  memory?: number;
}

/** What one side carried for this hub, since the migration began here. */
export interface MigrationCounts {
  /** Events that came by it. */
  readonly read: number;
  /** Events of this hub that went to it. */
  readonly written: number;
  /** Of those that came, the ones that had come by the other side already. */
  readonly duplicates: number;
  /** Of those that came, the ones that came by no other side. */
  readonly only: number;
}

/** Another hub that takes part. */
export interface MigrationPeer {
  /**
   * The number it chose for itself, in hexadecimal. On the old side's server it is `distributary-` and this in
   * `CLIENT LIST`, unless it was given a `clientName`.
   */
  readonly hub: string;
  /** How far it has come. */
  readonly stage: MigrationStage;
  /** The stage that it is about to enter, unless it finds somebody in the way. */
  readonly entering?: MigrationStage;
  /** The sides where it listens. */
  readonly hears: readonly MigrationSide[];
}

/**
 * What is in the way:
 *
 * - `'not-next'`: the stages are no neighbours; `'busy'`: another one is being entered;
 * - `'readers'`: hubs ({@link MigrationError.peers}) read the other side alone, or are about to, and would miss what is written;
 * - `'strangers'`: so many `connections` listen to a `side`, and are no hubs that take part;
 * - `'writers'`: hubs (`peers`) write to the side that would be given up, or are about to; `'still-written'`: somebody
 *   wrote there so many milliseconds `ago`, a hub that has just left it or one who takes no part; `hub` is who, if the
 *   event says so: one in an envelope does;
 * - `'silent'`: so many `hubs` that take part did not answer;
 * - `'unhealthy'`: the side that would be written to is not well (`findings`);
 * - `'not-reached'`: a server did not answer in time; `'not-heard'`: it does not let this hub hear the topic on a
 *   `side`;
 * - `'taken'`: a name of the course belongs to another migration, or is listened to by itself;
 * - `'modes'`: by the `modes` and `envelope` of the two servers, or for the two names, events would be promised something
 *   else on the new side, or look different there: give the new name rules of its own.
 */
export type MigrationErrorKind =
  | 'not-next'
  | 'busy'
  | 'readers'
  | 'strangers'
  | 'writers'
  | 'still-written'
  | 'silent'
  | 'unhealthy'
  | 'not-reached'
  | 'not-heard'
  | 'taken'
  | 'modes';

/** Somebody or something is in the way of a stage, or of a migration. Nothing has changed. */
export class MigrationError extends DistributaryError {
  constructor(kind: MigrationErrorKind, message: string, details?: Partial<MigrationError>);
  readonly code: 'ERR_MIGRATION';
  readonly kind: MigrationErrorKind;
  /** Hubs that are in the way. */
  readonly peers: readonly MigrationPeer[];
  /** What is not well. */
  readonly findings: readonly { readonly code: string; readonly text: string }[];
  readonly connections: number | undefined;
  readonly hubs: number | undefined;
  readonly side: MigrationSide | undefined;
  readonly ago: number | undefined;
  /** As {@link MigrationPeer.hub}. */
  readonly hub: string | undefined;
}

/**
 * The servers of one hub, between which its topics can be moved.
 *
 * ```js
 * const moving = new Moving('redis://old.example');
 * const hub = new Hub({ redis: moving });
 * const migration = moving.begin({ topic: 'documents', onto: 'redis://new.example' }, 'old');
 * await migration.enter('dual-read');
 * // On one hub after the other, once all of them read both sides:
 * await migration.enter('new-write');
 * ```
 *
 * In the program nothing changes: the topic keeps its name, and each event is heard once.
 */
export class Moving {
  /** Everything goes by this server until it is moved. */
  constructor(redis: string | RedisOptions);

  /**
   * Takes part in the migration of a topic, at this stage: the one that all hubs have reached, or the one before. It is
   * taken as it is said; from then on stages are entered by {@link Migration.enter}.
   *
   * Throws with the code `ERR_NO_HUB` before it was given to a hub, and a {@link MigrationError} of the kind `'taken'`.
   */
  begin(course: MigrationCourse, stage: MigrationStage): Migration;
}

/** The migration of one topic, as this hub takes part in it; from {@link Moving.begin}. Forgetting it ends nothing. */
export interface Migration {
  /** The topic, as it is called in this hub. */
  readonly topic: string;
  /** How far it has come in this hub. */
  readonly stage: MigrationStage;
  /** What each side has carried. */
  counts(): { readonly old: MigrationCounts; readonly new: MigrationCounts };
  /** The other hubs that take part, as far as they are known by now. */
  peers(): MigrationPeer[];

  /**
   * Enters a stage next to the one that it is at, forward or back, once nobody would lose anything by it; the stage where
   * it is already is entered at once, so that a deploy can run again. Rejects with a {@link MigrationError} that says who
   * or what is in the way; nothing has changed then.
   *
   * @param options `timeout`: milliseconds that it may take (10,000)
   */
  enter(stage: MigrationStage, options?: { timeout?: number }): Promise<void>;
  /** The same without looking at who would lose something. The side that is to be heard is still waited for. */
  force(stage: MigrationStage, options?: { timeout?: number }): Promise<void>;
  /** Whether {@link enter} would enter a stage now: rejects with what would be in the way. */
  check(stage: MigrationStage, options?: { timeout?: number }): Promise<void>;
}
