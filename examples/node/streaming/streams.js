// The streams that clients ask for: as topics of the hub, and as selectors.

const BASE = '/api/v1/streaming';
const STREAMS = ['user', 'public', 'public:local', 'hashtag'];

export const topics = {
  home: (account) => `timeline:${account}`,
  /** Of somebody whom very many follow: a post is put there once. */
  postsOf: (account) => `timeline:account:${account}`,
  hashtag: (tag) => `timeline:hashtag:${tag.toLowerCase()}`,
  everywhere: 'timeline:public',
  local: 'timeline:public:local',
};

/** A client that cannot have what it asked for. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Every path that is served: what follows the first is a stream's name with slashes for colons. */
export const PATHS = [BASE, ...STREAMS.map((stream) => `${BASE}/${stream.replaceAll(':', '/')}`)];

/**
 * What a request asks for: `/api/v1/streaming/public/local` and `/api/v1/streaming?stream=public:local` are the same.
 * The database is asked here, once, and not again for any event.
 *
 * @param {import('./people.js').People} people
 * @param {URL} url
 * @param {string | undefined} bearer
 */
export async function selectorOf(people, url, bearer) {
  const below = url.pathname.slice(BASE.length + 1);
  if (!PATHS.includes(url.pathname)) throw new Refusal(404, 'there is nothing here');
  const stream = below ? below.replaceAll('/', ':') : url.searchParams.get('stream');
  if (!STREAMS.includes(stream)) throw new Refusal(400, `there is no stream ${stream}: there are ${STREAMS.join(', ')}`);

  const token = bearer ?? url.searchParams.get('access_token');
  const account = token ? await people.byToken(token) : undefined;
  if (token && !account) throw new Refusal(401, 'this token is not known');

  switch (stream) {
    case 'public':
    case 'public:local':
      return wanted(account, [stream === 'public' ? topics.everywhere : topics.local]);
    case 'hashtag': {
      const tag = url.searchParams.get('tag');
      if (!tag) throw new Refusal(400, 'a hashtag stream wants a tag');
      return wanted(account, [topics.hashtag(tag)]);
    }
    default: {
      if (!account) throw new Refusal(401, 'a token is needed');
      const followed = await people.followedTopics(account);
      return wanted(account, [topics.home(account.id), ...followed.map(topics.postsOf)]);
    }
  }
}

/**
 * These topics without what somebody does not want to see. The filter is data: it is evaluated before anything is
 * queued, and once for all who have set the same. No code runs per client and event.
 */
function wanted(account, names) {
  const unwanted = [];
  if (account?.muted.length) unwanted.push({ author: account.muted });
  if (account?.languages.length) unwanted.push({ language: account.languages });
  if (unwanted.length === 0) return { topics: names };
  return { topics: names, where: { $not: unwanted.length === 1 ? unwanted[0] : { $or: unwanted } } };
}
