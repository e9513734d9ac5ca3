//! What hangs on a status: media, preview cards, polls.

use super::accounts::Author;
use super::entity::{
    CardAuthor, Focus, MediaAttachment, Meta, Original, Picture, Poll, PollOption, PreviewCard,
};
use super::{LOCAL, file_path};
use crate::clock;
use crate::rng::Rng;
use crate::text::{self, Voice};

const BASE83: &[u8] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";

const PUBLISHERS: [(&str, &str); 5] = [
    ("The Shore Dispatch", "dispatch.example"),
    ("Tidelines", "tidelines.example"),
    ("Gazette du Port", "gazette-du-port.example"),
    ("Hafenblatt", "hafenblatt.example"),
    ("潮だより", "ushio.example"),
];

/// An image, a film or a looping animation uploaded by `author`.
pub(crate) fn media(author: &Author, now_ms: u64, rng: &mut Rng) -> MediaAttachment {
    let id = (now_ms << 16) | rng.below(1 << 16);
    let kind = match rng.below(20) {
        0..=16 => "image",
        17 | 18 => "video",
        _ => "gifv",
    };
    let is_image = kind == "image";
    let (extension, preview) = if is_image {
        ("jpg", "jpg")
    } else {
        ("mp4", "png")
    };
    let cache = if author.is_local() { "" } else { "cache/" };
    let name = rng.hex(16);
    let file = |size: &str, extension: &str| {
        format!(
            "https://files.{LOCAL}/{cache}media_attachments/files/{}/{size}/{name}.{extension}",
            file_path(id)
        )
    };
    let remote_url = (!author.is_local()).then(|| {
        format!(
            "https://files.{}/media/{}.{extension}",
            author.host,
            rng.hex(32)
        )
    });
    let &(width, height) = rng.pick(&[(1920, 1080), (4032, 3024), (1080, 1350), (1200, 1200)]);
    let original = if is_image {
        Original::Picture(picture(width, height))
    } else {
        Original::Film {
            width,
            height,
            frame_rate: rng.pick::<&str>(&["30/1", "24/1", "30000/1001"]),
            duration: rng.range(2_000, 180_000) as f64 / 1_000.0,
            bitrate: rng.range(400_000, 6_000_000),
        }
    };
    MediaAttachment {
        id: id.to_string(),
        kind,
        url: file("original", extension),
        preview_url: file("small", preview),
        remote_url,
        preview_remote_url: None,
        text_url: None,
        meta: Meta {
            focus: (is_image && rng.percent(30)).then(|| Focus {
                x: coordinate(rng),
                y: coordinate(rng),
            }),
            original,
            small: picture(480, 480 * height / width),
        },
        description: rng.percent(65).then(|| author.voice.paragraph(rng)),
        blurhash: Some(blurhash(rng)),
    }
}

fn picture(width: u64, height: u64) -> Picture {
    Picture {
        width,
        height,
        size: format!("{width}x{height}"),
        aspect: width as f64 / height as f64,
    }
}

/// From -1 to 1 in hundredths.
fn coordinate(rng: &mut Rng) -> f64 {
    (rng.below(201) as f64 - 100.0) / 100.0
}

/// Four by four components, which a leading `U` says: 36 characters.
fn blurhash(rng: &mut Rng) -> String {
    format!("U{}", rng.word(BASE83, 35))
}

/// The preview of an article about something the author writes of.
pub(crate) fn card(voice: &Voice, now_ms: u64, rng: &mut Rng) -> PreviewCard {
    let &(publisher, host) = rng.pick(&PUBLISHERS);
    let slug = text::latin_name(rng).to_lowercase();
    let has_image = rng.percent(75);
    let author = rng
        .percent(50)
        .then(|| format!("{} {}", text::latin_name(rng), text::latin_name(rng)));
    PreviewCard {
        url: format!(
            "https://{host}/{}/{slug}-and-the-sea-{}",
            clock::date(now_ms).replace('-', "/"),
            rng.hex(6)
        ),
        title: voice.fill(voice.titles, rng),
        description: voice.paragraph(rng),
        language: rng.percent(80).then_some(voice.code),
        kind: "link",
        author_name: author.clone().unwrap_or_default(),
        author_url: String::new(),
        provider_name: publisher.to_owned(),
        provider_url: format!("https://{host}/"),
        html: String::new(),
        width: if has_image { 1200 } else { 0 },
        height: if has_image { 630 } else { 0 },
        image: has_image.then(|| {
            format!(
                "https://files.{LOCAL}/cache/preview_cards/images/{}/original/{}.jpg",
                file_path(rng.range(100_000_000, 300_000_000)),
                rng.hex(16)
            )
        }),
        image_description: if has_image && rng.percent(30) {
            voice.fill(voice.sentences, rng)
        } else {
            String::new()
        },
        embed_url: String::new(),
        blurhash: has_image.then(|| blurhash(rng)),
        published_at: rng
            .percent(60)
            .then(|| clock::instant(now_ms - rng.below(86_400_000))),
        authors: author
            .map(|name| CardAuthor {
                name,
                url: String::new(),
                account: None,
            })
            .into_iter()
            .collect(),
    }
}

/// A poll that has just been opened.
pub(crate) fn poll(voice: &Voice, now_ms: u64, rng: &mut Rng) -> Poll {
    Poll {
        id: ((now_ms << 16) | rng.below(1 << 16)).to_string(),
        expires_at: Some(clock::instant(
            now_ms + rng.pick(&[3_600_000, 86_400_000, 604_800_000]),
        )),
        expired: false,
        multiple: rng.percent(30),
        votes_count: 0,
        voters_count: Some(0),
        options: (0..rng.range(2, 5))
            .map(|_| PollOption {
                title: voice.name(rng),
                votes_count: Some(0),
            })
            .collect(),
        emojis: Vec::new(),
    }
}
