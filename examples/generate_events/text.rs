//! Invented text in the languages and scripts the two services carry.
//!
//! A [`Voice`] is one language: sentences for posts, page titles, edit
//! summaries, hashtags. `{}` in a text stands for a place name, composed of
//! syllables of the script, so no text names a real place or person.

use crate::rng::Rng;

mod voices;

pub(crate) use voices::VOICES;

/// What a language offers. No list is empty.
pub(crate) struct Voice {
    /// ISO 639-1, as both services write it.
    pub(crate) code: &'static str,
    pub(crate) syllables: &'static [&'static str],
    /// Whether names begin with a capital letter.
    pub(crate) capitals: bool,
    /// Whether the script runs from right to left.
    pub(crate) rtl: bool,
    /// What stands between two sentences; nothing in Japanese and Chinese.
    pub(crate) gap: &'static str,
    pub(crate) sentences: &'static [&'static str],
    pub(crate) titles: &'static [&'static str],
    pub(crate) sections: &'static [&'static str],
    pub(crate) summaries: &'static [&'static str],
    pub(crate) tags: &'static [&'static str],
}

const EMOJI: [&str; 16] = [
    "🌊",
    "🦀",
    "🐈",
    "☕",
    "🚲",
    "🌿",
    "📷",
    "🎣",
    "🍞",
    "🌧️",
    "😅",
    "🎉",
    "❤️",
    "🧵",
    "👩‍🔬",
    "🏳️‍🌈",
];

impl Voice {
    /// The voice of a language, English when there is none.
    pub(crate) fn of(code: &str) -> &'static Voice {
        VOICES
            .iter()
            .find(|voice| voice.code == code)
            .unwrap_or(&VOICES[0])
    }

    /// An invented name of two or three syllables.
    pub(crate) fn name(&self, rng: &mut Rng) -> String {
        let name: String = (0..rng.range(2, 4))
            .map(|_| *rng.pick::<&str>(self.syllables))
            .collect();
        if !self.capitals {
            return name;
        }
        let mut letters = name.chars();
        match letters.next() {
            Some(first) => first.to_uppercase().chain(letters).collect(),
            None => name,
        }
    }

    /// A text out of `texts`, each of its places filled in.
    pub(crate) fn fill(&self, texts: &[&str], rng: &mut Rng) -> String {
        let mut text = (*rng.pick::<&str>(texts)).to_owned();
        while text.contains("{}") {
            text = text.replacen("{}", &self.name(rng), 1);
        }
        text
    }

    /// One to three sentences, now and then with an emoji at the end.
    pub(crate) fn paragraph(&self, rng: &mut Rng) -> String {
        let sentences: Vec<_> = (0..rng.range(1, 4))
            .map(|_| self.fill(self.sentences, rng))
            .collect();
        let mut paragraph = sentences.join(self.gap);
        if rng.percent(25) {
            paragraph.push(' ');
            paragraph.push_str(rng.pick::<&str>(&EMOJI));
        }
        paragraph
    }
}

/// An invented name in Latin letters, for handles and hosts.
pub(crate) fn latin_name(rng: &mut Rng) -> String {
    VOICES[0].name(rng)
}

pub(crate) fn emoji(rng: &mut Rng) -> &'static str {
    rng.pick::<&str>(&EMOJI)
}
