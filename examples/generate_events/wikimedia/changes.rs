//! Who changes what on which wiki.

use serde_json::{Value, json};

use super::comment::{Piece, render};
use super::entity::{Edit, Log, Meta, OldNew, RecentChange};
use super::sites::{SITES, Site};
use crate::clock;
use crate::markup::wiki_path;
use crate::rng::Rng;
use crate::text::{self, Voice};
use crate::weights::Weights;

const PEOPLE: usize = 400;
const BOTS: usize = 24;

/// Wikibase's own comments: the code, its words, whether a property follows.
const AUTOMATIC: [(&str, &str, bool); 6] = [
    ("wbsetclaim-create:2||1", "Created claim", true),
    ("wbsetclaim-update:2||1|1", "Changed claim", true),
    ("wbsetreference-add:2|", "Added reference to claim", true),
    ("wbsetqualifier-add:1|", "Added qualifier", true),
    ("wbsetdescription-add:1|en", "Added [en] description", false),
    ("wbsetlabel-add:1|de", "Added [de] label", false),
];

/// The changes of all wikis, one at a time.
pub(crate) struct RecentChanges {
    rng: Rng,
    sites: Weights,
    /// Registered names, ranked by how much they edit.
    people: Vec<String>,
    people_rank: Weights,
    bots: Vec<String>,
    bots_rank: Weights,
    /// Per site: the last id of the table, and the last revision.
    counters: Vec<(u64, u64)>,
    offset: u64,
}

/// The page that a change is about.
struct Page {
    namespace: i64,
    title: String,
}

impl RecentChanges {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, "wikimedia");
        let people = (0..PEOPLE).map(|_| person(&mut rng)).collect();
        let bots = (0..BOTS)
            .map(|_| format!("{}Bot", text::latin_name(&mut rng)))
            .collect();
        let counters = SITES
            .iter()
            .map(|site| {
                (
                    site.weight * 8_000_000 + rng.below(1_000_000),
                    site.weight * 5_500_000,
                )
            })
            .collect();
        Self {
            rng,
            sites: Weights::new(SITES.iter().map(|site| site.weight)),
            people,
            people_rank: Weights::zipf(PEOPLE, 10),
            bots,
            bots_rank: Weights::zipf(BOTS, 2),
            counters,
            offset: 5_560_000_000,
        }
    }

    pub(crate) fn next(&mut self, now_ms: u64) -> crate::stream::Line {
        let at = self.sites.draw(&mut self.rng);
        let site = &SITES[at];
        self.counters[at].0 += 1 + self.rng.below(6);
        let change = match self.rng.below(100) {
            _ if site.wiki == "wikidatawiki" => self.edit(at, now_ms, false),
            0..60 => self.edit(at, now_ms, false),
            60..67 => self.edit(at, now_ms, true),
            67..90 => self.categorize(at, now_ms),
            _ => self.log(at, now_ms),
        };
        crate::stream::Line {
            topic: format!("recentchange:{}", site.wiki),
            event: crate::stream::Event::RecentChange(Box::new(change)),
        }
    }

    /// A change of the page's text, or its creation.
    fn edit(&mut self, at: usize, now_ms: u64, is_new: bool) -> RecentChange {
        let site = &SITES[at];
        let bot = self.rng.percent(site.bots);
        let user = self.user(bot);
        let rng = &mut self.rng;
        let page = page(site, rng);
        let pieces = comment(site, &page, bot, is_new, rng);
        let (rcid, last_revision) = &mut self.counters[at];
        *last_revision += 1 + rng.below(9);
        let new = *last_revision;
        let old = (!is_new).then(|| new - 1 - rng.magnitude(3, 20).min(new - 1));
        let before = (!is_new).then(|| rng.magnitude(9, 17));
        let after = match before {
            // More is added than is taken away.
            Some(length) => (length + rng.magnitude(0, 10)).saturating_sub(rng.magnitude(0, 9)),
            None => rng.magnitude(7, 13),
        };
        let query = match old {
            Some(old) => format!("diff={new}&oldid={old}"),
            None => format!("oldid={new}"),
        };
        // Where edits are not patrolled, the link needs no id of the table.
        let patrols = site.patrols_edits || is_new;
        let rcid = if patrols {
            format!("&rcid={rcid}")
        } else {
            String::new()
        };
        let edit = Edit {
            minor: !is_new && rng.percent(if bot { 45 } else { 20 }),
            patrolled: patrols.then(|| bot || rng.percent(55)),
            length: OldNew {
                old: before,
                new: after,
            },
            revision: OldNew { old, new },
        };
        let mut change = self.change(
            at,
            if is_new { "new" } else { "edit" },
            page,
            pieces,
            user,
            now_ms,
        );
        change.bot = bot;
        change.notify_url = Some(format!("{}/w/index.php?{query}{rcid}", change.server_url));
        change.edit = Some(edit);
        change
    }

    /// A page that has come into a category or left it.
    fn categorize(&mut self, at: usize, now_ms: u64) -> RecentChange {
        let site = &SITES[at];
        let bot = self.rng.percent(site.bots);
        let user = self.user(bot);
        let rng = &mut self.rng;
        let member = page(site, rng).title;
        let voice = Voice::of(site.language);
        let category = Page {
            namespace: 14,
            title: format!("{}:{}", site.category, voice.fill(voice.titles, rng)),
        };
        let verb = if rng.percent(75) {
            " added to category"
        } else {
            " removed from category"
        };
        let pieces = vec![Piece::link(format!(":{member}")), Piece::text(verb)];
        let (rcid, revision) = self.counters[at];
        let old = revision - rng.magnitude(3, 18).min(revision);
        let mut change = self.change(at, "categorize", category, pieces, user, now_ms);
        change.bot = bot;
        change.notify_url = Some(format!(
            "{}/w/index.php?diff={revision}&oldid={old}&rcid={rcid}",
            change.server_url
        ));
        change
    }

    /// An entry of one of the logs.
    fn log(&mut self, at: usize, now_ms: u64) -> RecentChange {
        let site = &SITES[at];
        let user = self.user(false);
        let other = self.user(false);
        let rng = &mut self.rng;
        let voice = Voice::of(site.language);
        let mut page = page(site, rng);
        let mut log_id = self.counters[at].0 / 9;
        let summary = voice.fill(voice.summaries, rng);
        let person = |name: &str| Page {
            namespace: 2,
            title: format!("{}:{name}", site.user),
        };
        let (log_type, log_action, log_params, action): (_, _, Value, String) = match rng.below(12)
        {
            0..4 if site.wiki == "commonswiki" => {
                let params = json!({
                    "img_sha1": rng.word(b"0123456789abcdefghijklmnopqrstuvwxyz", 31),
                    "img_timestamp": clock::compact(now_ms),
                });
                let action = format!("uploaded &quot;[[{}]]&quot;: {summary}", page.title);
                ("upload", "upload", params, action)
            }
            0..5 => {
                page = person(&user);
                let params = json!({ "userid": rng.range(1_000_000, 50_000_000) });
                ("newusers", "create", params, "New user account".to_owned())
            }
            5..7 => {
                let action = format!("deleted &quot;[[{}]]&quot;: {summary}", page.title);
                ("delete", "delete", json!([]), action)
            }
            7 => {
                page = person(&other);
                let params =
                    json!({ "duration": "31 hours", "flags": "nocreate", "sitewide": true });
                let action = format!(
                    "blocked [[{}]] with an expiration time of 31 hours",
                    page.title
                );
                ("block", "block", params, action)
            }
            8 => {
                let target = voice.fill(voice.titles, rng);
                let action = format!("moved [[{}]] to [[{target}]]: {summary}", page.title);
                (
                    "move",
                    "move",
                    json!({ "target": target, "noredir": "0" }),
                    action,
                )
            }
            9 => {
                let action = format!("{user} thanked {other}");
                page = person(&other);
                ("thanks", "thank", json!([]), action)
            }
            _ => {
                let filter = rng.range(1, 1_200);
                let params = json!({ "action": "edit", "filter": filter, "actions": "tag", "log": rng.range(30_000_000, 40_000_000) });
                let action = format!(
                    "{user} triggered [[Special:AbuseFilter/{filter}|filter {filter}]], performing \
                     the action \"edit\" on [[{}]]. Actions taken: Tag",
                    page.title
                );
                log_id = 0;
                ("abusefilter", "hit", params, action)
            }
        };
        let pieces = match log_type {
            "upload" | "delete" | "move" => vec![Piece::text(summary)],
            _ => Vec::new(),
        };
        let mut change = self.change(at, "log", page, pieces, user, now_ms);
        if log_type == "abusefilter" {
            change.id = None;
        }
        change.log = Some(Log {
            log_id,
            log_type,
            log_action,
            log_params,
            log_action_comment: action,
        });
        change
    }

    /// What all kinds of change share.
    fn change(
        &mut self,
        at: usize,
        kind: &'static str,
        page: Page,
        pieces: Vec<Piece>,
        user: String,
        now_ms: u64,
    ) -> RecentChange {
        let (site, rng) = (&SITES[at], &mut self.rng);
        let server_url = format!("https://{}", site.host);
        let title_url = format!("{server_url}/wiki/{}", wiki_path(&page.title));
        let (comment, parsedcomment) = render(&pieces);
        self.offset += 1 + rng.below(4);
        RecentChange {
            schema: "/mediawiki/recentchange/1.0.0",
            meta: Meta {
                uri: title_url.clone(),
                request_id: rng.uuid(),
                id: rng.uuid(),
                domain: site.host,
                stream: "mediawiki.recentchange",
                dt: clock::instant(now_ms),
                topic: "eqiad.mediawiki.recentchange",
                partition: 0,
                offset: self.offset,
            },
            id: Some(self.counters[at].0),
            kind,
            namespace: page.namespace,
            title: page.title,
            title_url,
            comment,
            // The table is written a moment before the event.
            timestamp: (now_ms - rng.below(2_500)) / 1_000,
            user,
            bot: false,
            notify_url: None,
            edit: None,
            log: None,
            server_url,
            server_name: site.host,
            server_script_path: "/w",
            wiki: site.wiki,
            parsedcomment,
        }
    }

    /// A registered name, a temporary account or, rarely, a bare address; the
    /// addresses are of the networks kept for documentation.
    fn user(&mut self, bot: bool) -> String {
        let rng = &mut self.rng;
        if bot {
            return self.bots[self.bots_rank.draw(rng)].clone();
        }
        match rng.below(100) {
            0..6 => format!("~2025-{}-{:02}", rng.range(10_000, 99_999), rng.below(100)),
            6..12 => format!("203.0.113.{}", rng.range(1, 255)),
            12..15 => format!(
                "2001:DB8:{:X}:{:X}::{:X}",
                rng.below(65_536),
                rng.below(65_536),
                rng.range(1, 65_536)
            ),
            _ => self.people[self.people_rank.draw(rng)].clone(),
        }
    }
}

fn person(rng: &mut Rng) -> String {
    let (first, second) = (text::latin_name(rng), text::latin_name(rng));
    match rng.below(4) {
        0 => format!("{first} {second}"),
        1 => format!("{first}{}", rng.range(1, 2_000)),
        _ => first,
    }
}

/// A page out of the namespaces that are edited most.
fn page(site: &Site, rng: &mut Rng) -> Page {
    let voice = Voice::of(site.language);
    match site.wiki {
        "wikidatawiki" => Page {
            namespace: 0,
            title: format!("Q{}", rng.magnitude(10, 27)),
        },
        "commonswiki" if rng.percent(80) => {
            let title = format!(
                "File:{} - {}.jpg",
                voice.fill(voice.titles, rng),
                rng.below(100_000)
            );
            Page {
                namespace: 6,
                title,
            }
        }
        _ => {
            let title = voice.fill(voice.titles, rng);
            let in_space = |namespace, name: &str| Page {
                namespace,
                title: format!("{name}:{title}"),
            };
            match rng.below(100) {
                0..72 => Page {
                    namespace: 0,
                    title,
                },
                72..80 => in_space(1, site.talk),
                80..88 => {
                    let owner = text::latin_name(rng);
                    Page {
                        namespace: 2,
                        title: format!("{}:{owner}/sandbox", site.user),
                    }
                }
                88..94 => in_space(4, site.project),
                _ => in_space(14, site.category),
            }
        }
    }
}

fn comment(site: &Site, page: &Page, bot: bool, is_new: bool, rng: &mut Rng) -> Vec<Piece> {
    let voice = Voice::of(site.language);
    if site.wiki == "wikidatawiki" || (site.wiki == "commonswiki" && rng.percent(35)) {
        return wikibase_comment(rng);
    }
    let section = |name: &str| Piece::Section {
        page: page.title.clone(),
        name: name.to_owned(),
        rtl: voice.rtl,
    };
    let summary = voice.fill(voice.summaries, rng);
    match rng.below(100) {
        _ if bot => {
            let owner = text::latin_name(rng);
            let target = format!("{}:{owner}Bot/log", site.user);
            vec![
                Piece::text(format!("Bot: {summary} (")),
                Piece::Link {
                    target,
                    label: "task 7".to_owned(),
                },
                Piece::text(")"),
            ]
        }
        _ if is_new => vec![
            Piece::text("Created page with \""),
            Piece::text(voice.fill(voice.sentences, rng)),
            Piece::text("\""),
        ],
        0..15 => Vec::new(),
        15..55 => vec![
            section(rng.pick::<&str>(voice.sections)),
            Piece::text(summary),
        ],
        55..75 => vec![Piece::text(summary)],
        75..88 => vec![
            Piece::text("+ "),
            Piece::link(format!(
                "{}:{}",
                site.category,
                voice.fill(voice.titles, rng)
            )),
        ],
        _ => {
            let undone = rng.range(1_000_000, 1_300_000_000);
            let other = text::latin_name(rng);
            vec![
                Piece::text("Undid revision "),
                Piece::Link {
                    target: format!("Special:Diff/{undone}"),
                    label: undone.to_string(),
                },
                Piece::text(" by "),
                Piece::Link {
                    target: format!("Special:Contributions/{other}"),
                    label: other,
                },
            ]
        }
    }
}

fn wikibase_comment(rng: &mut Rng) -> Vec<Piece> {
    let &(code, words, of_property) = rng.pick(&AUTOMATIC);
    let mut pieces = vec![Piece::Automatic {
        code: code.to_owned(),
        words: words.to_owned(),
    }];
    let value = text::latin_name(rng);
    if of_property {
        pieces.push(Piece::link(format!("Property:P{}", rng.range(6, 13_000))));
        pieces.push(Piece::text(format!(": {value}")));
    } else {
        pieces.push(Piece::text(value));
    }
    if rng.percent(60) {
        let batch = rng.range(1_741_000_000_000, 1_741_075_000_000);
        pieces.push(Piece::text(format!(
            ", #quickstatements; #temporary_batch_{batch}"
        )));
    }
    pieces
}
