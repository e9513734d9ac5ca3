// Publishes what people post, to everyone who is to see it.
//
// Both ways of fan-out are here. A post of somebody with some followers is put on the timeline of each, as Mastodon does:
// one publish per follower. A post of somebody whom everybody follows is put on one topic, which all of them have
// subscribed to: one publish, however many they are.

import { readFile } from 'node:fs/promises';
import { topics } from './streams.js';

/**
 * The posts of the sample file. A line there is one post on one timeline; here each post happens once, and where it goes
 * is decided anew.
 *
 * @param {URL} file
 */
export async function loadPosts(file) {
  const posts = new Map();
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    if (!line.startsWith('{"topic":"timeline:')) continue;
    const { topic, event } = JSON.parse(line);
    const isStatus = !topic.endsWith(':notifications') && event.account;
    if (isStatus) posts.set(`${event.id} ${event.edited_at}`, event);
  }
  return [...posts.values()];
}

/**
 * Publishes one post.
 *
 * @param {import('distributary').Hub} hub
 * @param {import('./people.js').People} people
 * @param {any} post
 */
export function publish(hub, people, post) {
  const author = post.account.id;
  // What filters look at, so that nobody has to parse the post for them.
  const attributes = { author, language: post.language };
  const put = (topic, message) => hub.publish(topic, message, { attributes });

  const entity = JSON.stringify(post);
  const event = post.edited_at ? 'status.update' : 'update';
  // A message as Mastodon's clients know it: the entity is a string inside.
  const message = (...stream) => Buffer.from(JSON.stringify({ stream, event, payload: entity }));

  const forUser = message('user');
  if (people.hasTopic(author)) put(topics.postsOf(author), forUser);
  else for (const follower of people.followers(author)) put(topics.home(follower), forUser);

  if (post.visibility !== 'public' || post.reblog || post.in_reply_to_id) return;
  put(topics.everywhere, message('public'));
  if (!post.account.acct.includes('@')) put(topics.local, message('public:local'));
  for (const { name } of post.tags) put(topics.hashtag(name), message('hashtag', name.toLowerCase()));
}
