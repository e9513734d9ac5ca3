//! What happens on the server, and the topics each happening goes to.
//!
//! Topics are Mastodon's own channel names: `timeline:public`,
//! `timeline:public:local`, `timeline:hashtag:<tag>`, `timeline:<account id>`
//! (a home timeline) and `timeline:<account id>:notifications`; besides,
//! `timeline:account:<id>` for accounts with very many followers. As in
//! Mastodon, replies and boosts never reach public or hashtag timelines. The
//! home timelines are a sample: one or two followers stand for all.

use std::collections::VecDeque;

use super::LOCAL;
use super::accounts::{Accounts, Author, custom_emoji};
use super::attachments::{card, media, poll};
use super::entity::{Account, Application, Delete, Mention, Notification, Quote, Status, Tag};
use crate::clock;
use crate::markup::{escape, percent_encode, status_link};
use crate::rng::Rng;
use crate::stream::{Event, Line};
use crate::text::VOICES;
use crate::weights::Weights;

/// How many posts stay in mind, to be answered, boosted, edited or deleted.
const RECENT: usize = 64;

const APPLICATIONS: [Application; 3] = [
    Application {
        name: "Web",
        website: None,
    },
    Application {
        name: "Gull for Android",
        website: Some("https://gull.example"),
    },
    Application {
        name: "tootcli",
        website: Some("https://forge.example/tootcli"),
    },
];

/// A server's life, one happening at a time.
pub(crate) struct Timeline {
    rng: Rng,
    accounts: Accounts,
    /// Weights of the hashtags of each voice, in its order.
    tags: Vec<Weights>,
    recent: VecDeque<Posted>,
}

struct Posted {
    status: Status,
    topics: Vec<String>,
}

impl Timeline {
    pub(crate) fn new(seed: u64) -> Self {
        let accounts = Accounts::new(&mut Rng::new(seed, "mastodon accounts"));
        let tags = VOICES
            .iter()
            .map(|voice| Weights::zipf(voice.tags.len(), 0))
            .collect();
        Self {
            rng: Rng::new(seed, "mastodon"),
            accounts,
            tags,
            recent: VecDeque::new(),
        }
    }

    /// The lines of the next happening, which may be none.
    pub(crate) fn next(&mut self, now_ms: u64) -> Vec<Line> {
        let choice = if self.recent.is_empty() {
            0
        } else {
            self.rng.below(100)
        };
        match choice {
            0..50 => self.post(now_ms),
            50..66 => self.boost(now_ms),
            66..78 => self.reply(now_ms),
            78..84 => self.edit(now_ms),
            84..91 => self.delete(),
            _ => self.notify(now_ms),
        }
    }

    fn post(&mut self, now_ms: u64) -> Vec<Line> {
        let rng = &mut self.rng;
        let author = self.accounts.draw(rng);
        let mut status = blank(author, now_ms, rng);
        // Whoever watches the tides shouts it from the pier, with pictures.
        let attachment = if author.is_tidewatch() {
            0
        } else {
            rng.below(100)
        };
        if !author.is_tidewatch() {
            status.visibility = match rng.below(100) {
                0..78 => "public",
                78..92 => "unlisted",
                _ => "private",
            };
        }
        let mut paragraphs: Vec<String> = (0..rng.range(1, 4))
            .map(|_| escape(&author.voice.paragraph(rng), "&#39;"))
            .collect();
        if rng.percent(10) {
            status.spoiler_text = author.voice.fill(author.voice.titles, rng);
        }
        if rng.percent(8) {
            let emoji = custom_emoji(author.is_local(), author.host, rng);
            paragraphs.push(format!(":{}:", emoji.shortcode));
            status.emojis.push(emoji);
        }
        match attachment {
            0..32 => {
                let count = *rng.pick(&[1, 1, 1, 2, 2, 4]);
                status.media_attachments = (0..count).map(|_| media(author, now_ms, rng)).collect();
            }
            32..54 => {
                let card = card(author.voice, now_ms, rng);
                paragraphs.push(status_link(&card.url));
                status.card = Some(card);
            }
            54..57 => status.poll = Some(poll(author.voice, now_ms, rng)),
            57..61 => status.quote = self.recent.back().and_then(quote),
            _ => {}
        }
        let has_media = !status.media_attachments.is_empty();
        status.sensitive = !status.spoiler_text.is_empty() || (has_media && rng.percent(6));
        if rng.percent(12) {
            let other = mention(&self.accounts.draw(rng).account);
            paragraphs.push(mention_link(&other));
            status.mentions.push(other);
        }
        status.tags = hashtags(&self.tags, author, rng);
        if !status.tags.is_empty() {
            let links: Vec<_> = status
                .tags
                .iter()
                .map(|tag| tag_link(tag, author))
                .collect();
            paragraphs.push(links.join(" "));
        }
        status.content = paragraphs
            .iter()
            .map(|text| format!("<p>{text}</p>"))
            .collect();
        let topics = topics(&status, author, &self.accounts, rng);
        self.publish(status, topics)
    }

    fn boost(&mut self, now_ms: u64) -> Vec<Line> {
        let rng = &mut self.rng;
        let posted = &self.recent[rng.below(self.recent.len() as u64) as usize];
        if posted.status.reblog.is_some() || posted.status.visibility == "private" {
            return Vec::new();
        }
        let author = self.accounts.draw(rng);
        let mut original = posted.status.clone();
        original.reblogs_count += 1 + rng.magnitude(0, 8);
        original.favourites_count += rng.magnitude(0, 9);
        original.replies_count += rng.below(20);
        let mut status = blank(author, now_ms, rng);
        // A boost has no text of its own, and a page only where it was made.
        status.language = original.language;
        status.uri += "/activity";
        status.url = author.is_local().then(|| status.uri.clone());
        status.application = None;
        status.reblog = Some(Box::new(original));
        let topics = topics(&status, author, &self.accounts, rng);
        lines(&status, &topics)
    }

    fn reply(&mut self, now_ms: u64) -> Vec<Line> {
        let rng = &mut self.rng;
        let to = &self.recent[rng.below(self.recent.len() as u64) as usize].status;
        let author = self.accounts.draw(rng);
        let mut status = blank(author, now_ms, rng);
        status.in_reply_to_id = Some(to.id.clone());
        status.in_reply_to_account_id = Some(to.account.id.clone());
        status.visibility = if to.visibility == "private" {
            "private"
        } else {
            "unlisted"
        };
        let addressed = mention(&to.account);
        status.content = format!(
            "<p>{} {}</p>",
            mention_link(&addressed),
            escape(&author.voice.paragraph(rng), "&#39;")
        );
        status.mentions.push(addressed);
        let is_local = !to.account.acct.contains('@');
        let mut topics = topics(&status, author, &self.accounts, rng);
        topics.truncate(1);
        let mut out = Vec::new();
        if is_local {
            let notification = notification(
                "mention",
                &to.account.id,
                &author.account,
                Some(&status),
                now_ms,
                rng,
            );
            out.push(notification);
        }
        out.extend(self.publish(status, topics));
        out
    }

    /// A `status.update`: the same status again, with `edited_at` set.
    fn edit(&mut self, now_ms: u64) -> Vec<Line> {
        let rng = &mut self.rng;
        let at = rng.below(self.recent.len() as u64) as usize;
        let posted = &mut self.recent[at];
        posted.status.edited_at = Some(clock::instant(now_ms));
        posted.status.content += "<p>(edit: typo)</p>";
        posted.status.favourites_count += rng.below(12);
        lines(&posted.status, &posted.topics)
    }

    fn delete(&mut self) -> Vec<Line> {
        let at = self.rng.below(self.recent.len() as u64) as usize;
        let Some(posted) = self.recent.remove(at) else {
            return Vec::new();
        };
        let event = |payload: &str| {
            Event::Delete(Delete {
                event: "delete",
                payload: payload.to_owned(),
            })
        };
        posted
            .topics
            .into_iter()
            .map(|topic| Line {
                topic,
                event: event(&posted.status.id),
            })
            .collect()
    }

    fn notify(&mut self, now_ms: u64) -> Vec<Line> {
        let rng = &mut self.rng;
        let from = self.accounts.draw(rng);
        let kind = *rng.pick(&["favourite", "favourite", "reblog", "follow"]);
        let mine = self
            .recent
            .iter()
            .rfind(|posted| !posted.status.account.acct.contains('@'));
        let line = match (kind, mine) {
            ("follow", _) | (_, None) => {
                let reader = self.accounts.reader(rng);
                notification(
                    "follow",
                    &reader.account.id,
                    &from.account,
                    None,
                    now_ms,
                    rng,
                )
            }
            (kind, Some(posted)) => {
                let (status, owner) = (&posted.status, &posted.status.account.id);
                notification(kind, owner, &from.account, Some(status), now_ms, rng)
            }
        };
        vec![line]
    }

    fn publish(&mut self, status: Status, topics: Vec<String>) -> Vec<Line> {
        let lines = lines(&status, &topics);
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Posted { status, topics });
        lines
    }
}

/// No, one or more different hashtags, mostly in the author's language.
fn hashtags(weights: &[Weights], author: &Author, rng: &mut Rng) -> Vec<Tag> {
    let own = VOICES
        .iter()
        .position(|voice| voice.code == author.voice.code)
        .unwrap_or(0);
    let mut tags: Vec<Tag> = Vec::new();
    for _ in 0..*rng.pick(&[0, 0, 0, 1, 1, 2, 4]) {
        // Many tag in English whatever they write in.
        let voice = if rng.percent(25) { 0 } else { own };
        let name = VOICES[voice].tags[weights[voice].draw(rng)];
        if tags.iter().all(|tag| tag.name != name) {
            let url = format!("https://{LOCAL}/tags/{}", percent_encode(name, ""));
            tags.push(Tag {
                name: name.to_owned(),
                url,
            });
        }
    }
    tags
}

/// A public status of `author` with nothing in it.
fn blank(author: &Author, now_ms: u64, rng: &mut Rng) -> Status {
    let id = ((now_ms << 16) | rng.below(1 << 16)).to_string();
    let (uri, url) = (
        format!("{}/statuses/{id}", author.account.uri),
        format!("{}/{id}", author.account.url),
    );
    Status {
        id,
        created_at: clock::instant(now_ms),
        in_reply_to_id: None,
        in_reply_to_account_id: None,
        sensitive: false,
        spoiler_text: String::new(),
        visibility: "public",
        language: (!rng.percent(3)).then_some(author.voice.code),
        uri,
        url: Some(url),
        replies_count: 0,
        reblogs_count: 0,
        favourites_count: 0,
        edited_at: None,
        content: String::new(),
        reblog: None,
        application: (author.is_local() && rng.percent(70))
            .then(|| rng.pick(&APPLICATIONS).clone()),
        account: author.account.clone(),
        media_attachments: Vec::new(),
        mentions: Vec::new(),
        tags: Vec::new(),
        emojis: Vec::new(),
        quote: None,
        card: None,
        poll: None,
    }
}

/// Where a fresh status goes.
fn topics(status: &Status, author: &Author, accounts: &Accounts, rng: &mut Rng) -> Vec<String> {
    let mut topics = Vec::new();
    let is_broadcast =
        status.visibility == "public" && status.reblog.is_none() && status.in_reply_to_id.is_none();
    if is_broadcast {
        topics.push("timeline:public".to_owned());
        if author.is_local() {
            topics.push("timeline:public:local".to_owned());
        }
        topics.extend(
            status
                .tags
                .first()
                .map(|tag| format!("timeline:hashtag:{}", tag.name)),
        );
    }
    match author.own_topic() {
        Some(topic) => topics.push(topic),
        None if !is_broadcast || rng.percent(40) => {
            topics.push(format!("timeline:{}", accounts.reader(rng).id));
        }
        None => {}
    }
    topics
}

fn lines(status: &Status, topics: &[String]) -> Vec<Line> {
    let line = |topic: &String| Line {
        topic: topic.clone(),
        event: Event::Status(Box::new(status.clone())),
    };
    topics.iter().map(line).collect()
}

fn notification(
    kind: &'static str,
    to: &str,
    from: &Account,
    status: Option<&Status>,
    now_ms: u64,
    rng: &mut Rng,
) -> Line {
    let id = rng.range(400_000_000, 500_000_000).to_string();
    let group_key = match status {
        Some(status) if kind != "mention" => format!("{kind}-{}-{}", status.id, now_ms / 3_600_000),
        _ => format!("ungrouped-{id}"),
    };
    let notification = Notification {
        id,
        kind,
        created_at: clock::instant(now_ms),
        group_key,
        account: from.clone(),
        status: status.map(|status| Box::new(status.clone())),
    };
    Line {
        topic: format!("timeline:{to}:notifications"),
        event: Event::Notification(Box::new(notification)),
    }
}

fn quote(posted: &Posted) -> Option<Quote> {
    let status = &posted.status;
    let is_plain = status.quote.is_none() && status.visibility == "public";
    is_plain.then(|| Quote {
        state: "accepted",
        quoted_status: Some(Box::new(status.clone())),
    })
}

fn mention(account: &Account) -> Mention {
    Mention {
        id: account.id.clone(),
        username: account.username.clone(),
        url: account.url.clone(),
        acct: account.acct.clone(),
    }
}

fn mention_link(mention: &Mention) -> String {
    format!(
        "<span class=\"h-card\" translate=\"no\"><a href=\"{}\" class=\"u-url mention\">\
         @<span>{}</span></a></span>",
        mention.url, mention.username
    )
}

/// A remote server links to its own page of the tag.
fn tag_link(tag: &Tag, author: &Author) -> String {
    let (name, url) = (&tag.name, tag.url.replace(LOCAL, author.host));
    let rel = if author.is_local() {
        "rel=\"tag\""
    } else {
        "rel=\"nofollow noopener noreferrer\" target=\"_blank\""
    };
    format!("<a href=\"{url}\" class=\"mention hashtag\" {rel}>#<span>{name}</span></a>")
}
