// Who is who, who follows whom, and what they do not want to see: what an application has in its database.
//
// Ann follows everybody who posts, bob and a thousand readers some of them, and all follow the tides.

/** The account that everybody follows. */
const TIDEWATCH = '109300311974412290';

export class People {
  /** Accounts by token. */
  #tokens = new Map();
  /** Followers by author, without those of accounts that have a topic of their own. */
  #followers = new Map();

  /** @param {string[]} authors the ids of those who post */
  constructor(authors) {
    const readers = Array.from({ length: 1_000 }, (_, at) => `reader${at + 1}`);
    for (const [at, name] of ['ann', 'bob', ...readers].entries()) {
      const account = { id: `${at + 1}`, name, muted: [], languages: [] };
      this.#tokens.set(`${name}-token`, account);
      for (const [author, id] of authors.entries()) {
        if (this.hasTopic(id)) continue;
        if (name === 'ann' || author % 50 === at % 50) this.#followersOf(id).push(account.id);
      }
    }
    // Bob reads neither German nor Japanese, and has muted somebody whom he follows.
    const bob = this.#tokens.get('bob-token');
    bob.languages.push('de', 'ja');
    bob.muted.push(authors[1]);
  }

  /** Whose token this is. Takes its time, as a database does. */
  async byToken(token) {
    return this.#tokens.get(token);
  }

  /** Whether what this account posts is published once, for all that follow it, and not to one timeline after the other. */
  hasTopic(id) {
    return id === TIDEWATCH;
  }

  /** Those of somebody's followed accounts that have a topic. */
  async followedTopics(_account) {
    return [TIDEWATCH];
  }

  /** The accounts on whose timelines a post of this one is put. */
  followers(author) {
    return this.#followers.get(author) ?? [];
  }

  #followersOf(author) {
    let followers = this.#followers.get(author);
    if (!followers) this.#followers.set(author, (followers = []));
    return followers;
  }
}
