//! The accounts that post: a few are followed by very many.

use std::collections::HashSet;

use super::entity::{Account, CustomEmoji, Field, Role};
use super::{LOCAL, file_path};
use crate::clock;
use crate::markup::{escape, status_link};
use crate::rng::Rng;
use crate::text::{self, VOICES, Voice};
use crate::weights::Weights;

/// `@tidewatch`, the account that everybody follows. A post of this account is
/// the large event: it goes to all subscribers of [`TIDEWATCH_TOPIC`].
pub(crate) const TIDEWATCH_ID: u64 = 109_300_311_974_412_290;

/// The topic of `@tidewatch`, written out so that a reader can search for it.
#[cfg(test)]
pub(crate) const TIDEWATCH_TOPIC: &str = "timeline:account:109300311974412290";

/// An account with so many followers has a topic of its own that its followers
/// share; the posts of all others are written to each follower's home timeline.
const OWN_TOPIC_FROM: u64 = 50_000;

const ACCOUNTS: usize = 600;

const REMOTE: [&str; 12] = [
    "mastodon.lighthouse.example",
    "kelp.example",
    "umi.ato.example",
    "hafen.example",
    "phare.example",
    "faro.example",
    "social.inkwell.example",
    "bots.example",
    "pixel.cove.example",
    "mayak.example",
    "manara.example",
    "a.very.small.island.example",
];

const CUSTOM_EMOJI: [&str; 5] = [
    "blobcat_sail",
    "verified_boat",
    "party_gull",
    "rust_crab",
    "ms_rainbow_wave",
];

/// Somebody who posts.
pub(crate) struct Author {
    pub(crate) account: Account,
    pub(crate) id: u64,
    /// The server's host name.
    pub(crate) host: &'static str,
    pub(crate) voice: &'static Voice,
}

impl Author {
    pub(crate) fn is_local(&self) -> bool {
        self.host == LOCAL
    }

    pub(crate) fn is_tidewatch(&self) -> bool {
        self.id == TIDEWATCH_ID
    }

    /// The topic shared by the followers, if the account is followed by many.
    pub(crate) fn own_topic(&self) -> Option<String> {
        (self.account.followers_count >= OWN_TOPIC_FROM)
            .then(|| format!("timeline:account:{}", self.id))
    }
}

/// All accounts of one seed, ranked by how much they post and are followed.
pub(crate) struct Accounts {
    authors: Vec<Author>,
    local: Vec<usize>,
    activity: Weights,
}

impl Accounts {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let languages = Weights::new(language_weights());
        let hosts = Weights::zipf(REMOTE.len(), 1);
        let mut taken = HashSet::from(["tidewatch".to_owned()]);
        let authors: Vec<_> = (0..ACCOUNTS)
            .map(|rank| {
                if rank == 0 {
                    return tidewatch(rng);
                }
                let voice = &VOICES[languages.draw(rng)];
                let host = if rng.percent(40) {
                    LOCAL
                } else {
                    REMOTE[hosts.draw(rng)]
                };
                // Ids carry their time in the upper bits: between 2017 and 2025.
                let created_ms = rng.range(1_490_000_000_000, clock::START_MS);
                let id = (created_ms << 16) | rng.below(1 << 16);
                invent(rank as u64, id, username(&mut taken, rng), voice, host, rng)
            })
            .collect();
        let local = (0..authors.len())
            .filter(|&at| authors[at].is_local())
            .collect();
        Self {
            authors,
            local,
            activity: Weights::zipf(ACCOUNTS, 12),
        }
    }

    /// Who posts next.
    pub(crate) fn draw(&self, rng: &mut Rng) -> &Author {
        &self.authors[self.activity.draw(rng)]
    }

    /// Somebody who reads here: a local account, all equally likely.
    pub(crate) fn reader(&self, rng: &mut Rng) -> &Author {
        &self.authors[*rng.pick(&self.local)]
    }
}

/// English and Japanese lead, as on the public timelines of large servers.
fn language_weights() -> impl Iterator<Item = u64> {
    let leading = [520, 160, 90, 60, 45, 30];
    leading
        .into_iter()
        .chain(std::iter::repeat(8))
        .take(VOICES.len())
}

fn tidewatch(rng: &mut Rng) -> Author {
    let name = "tidewatch".to_owned();
    let mut author = invent(0, TIDEWATCH_ID, name, &VOICES[0], LOCAL, rng);
    let account = &mut author.account;
    account.display_name = "Tide Watch 🌊".to_owned();
    account.note = "<p>Tides, storm surges and ferry notices for every coast, around the clock. \
                    Follow this account &amp; stay dry.</p>"
        .to_owned();
    account.bot = false;
    account.locked = false;
    account.discoverable = Some(true);
    account.roles = Some(vec![Role {
        id: "3".to_owned(),
        name: "Harbour office",
        color: "#1f6f8b",
    }]);
    author
}

fn invent(
    rank: u64,
    id: u64,
    username: String,
    voice: &'static Voice,
    host: &'static str,
    rng: &mut Rng,
) -> Author {
    let is_local = host == LOCAL;
    let created_ms = id >> 16;
    let bot = rng.percent(6);
    let custom = rng.percent(15).then(|| custom_emoji(is_local, host, rng));
    let mut display_name = voice.name(rng);
    if rng.percent(20) {
        display_name = format!("{display_name} {}", text::emoji(rng));
    }
    if let Some(emoji) = &custom {
        display_name = format!("{display_name} :{}:", emoji.shortcode);
    }
    let cache = if is_local { "" } else { "cache/" };
    let mut file = |kind: &str, extension: &str| {
        format!(
            "https://files.{LOCAL}/{cache}accounts/{kind}/{}/original/{}.{extension}",
            file_path(id),
            rng.hex(16)
        )
    };
    let avatar = file("avatars", "png");
    let header = file("headers", "jpg");
    let account = Account {
        id: id.to_string(),
        acct: if is_local {
            username.clone()
        } else {
            format!("{username}@{host}")
        },
        display_name,
        locked: rng.percent(12),
        bot,
        discoverable: if is_local || rng.percent(80) {
            Some(rng.percent(70))
        } else {
            None
        },
        indexable: rng.percent(40),
        group: rng.percent(1),
        created_at: clock::midnight(created_ms),
        note: note(voice, rng),
        url: format!("https://{host}/@{username}"),
        uri: format!("https://{host}/users/{username}"),
        avatar_static: avatar.clone(),
        avatar,
        header_static: header.clone(),
        header,
        followers_count: 600_000 / (rank + 1) + rng.below(200),
        following_count: rng.magnitude(3, 11),
        statuses_count: rng.magnitude(5, 16),
        last_status_at: Some(clock::date(clock::START_MS)),
        hide_collections: if is_local {
            Some(rng.percent(10))
        } else {
            None
        },
        noindex: is_local.then_some(false),
        emojis: custom.into_iter().collect(),
        roles: is_local.then(Vec::new),
        fields: (0..rng.below(4))
            .map(|_| field(host, &username, created_ms, rng))
            .collect(),
        username,
    };
    Author {
        account,
        id,
        host,
        voice,
    }
}

/// A handle that nobody has yet, on any server.
fn username(taken: &mut HashSet<String>, rng: &mut Rng) -> String {
    loop {
        let name = text::latin_name(rng).to_lowercase();
        let handle = match rng.below(4) {
            0 => format!("{name}_{}", text::latin_name(rng).to_lowercase()),
            1 => format!("{name}{}", rng.range(10, 100)),
            _ => name,
        };
        if taken.insert(handle.clone()) {
            return handle;
        }
    }
}

fn note(voice: &Voice, rng: &mut Rng) -> String {
    let paragraphs = rng.range(1, 3);
    (0..paragraphs)
        .map(|_| format!("<p>{}</p>", escape(&voice.paragraph(rng), "&#39;")))
        .collect()
}

fn field(host: &str, username: &str, since_ms: u64, rng: &mut Rng) -> Field {
    match rng.below(4) {
        0 => Field {
            name: "Pronouns",
            value: "they/them".to_owned(),
            verified_at: None,
        },
        1 => Field {
            name: "Harbour",
            value: escape(&text::latin_name(rng), "&#39;"),
            verified_at: None,
        },
        2 => Field {
            name: "Code",
            value: status_link(&format!("https://forge.example/{username}")),
            verified_at: None,
        },
        _ => {
            let verified_ms = rng.range(since_ms, clock::START_MS);
            let verified_at = clock::instant(verified_ms).replace('Z', "+00:00");
            Field {
                name: "Homepage",
                value: status_link(&format!("https://{username}.{host}/")),
                verified_at: Some(verified_at),
            }
        }
    }
}

/// A server's own emoji, which a text names as `:shortcode:`.
pub(crate) fn custom_emoji(is_local: bool, host: &str, rng: &mut Rng) -> CustomEmoji {
    let at = rng.below(CUSTOM_EMOJI.len() as u64);
    let cache = if is_local { "" } else { "cache/" };
    let path = file_path(1_000 + at * 37 + host.len() as u64);
    let path = &path[path.len() - 11..];
    let name = rng.hex(16);
    let file = |kind: &str| {
        format!("https://files.{LOCAL}/{cache}custom_emojis/images/{path}/{kind}/{name}.png")
    };
    CustomEmoji {
        shortcode: CUSTOM_EMOJI[at as usize],
        url: file("original"),
        static_url: file("static"),
        visible_in_picker: true,
    }
}
