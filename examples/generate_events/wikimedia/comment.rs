//! Edit comments, which the stream carries twice: as wikitext in `comment` and
//! as HTML in `parsedcomment`. One list of pieces makes both.

use crate::markup::{escape, wiki_path};

/// A piece of a comment.
pub(crate) enum Piece {
    Text(String),
    /// `/* History */`, which links to a section of the page.
    Section {
        page: String,
        name: String,
        rtl: bool,
    },
    /// `/* wbsetclaim-create:2||1 */`, which Wikibase puts into words.
    Automatic {
        code: String,
        words: String,
    },
    /// `[[target|label]]`
    Link {
        target: String,
        label: String,
    },
}

impl Piece {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn link(target: impl Into<String>) -> Self {
        let target = target.into();
        Self::Link {
            label: target.clone(),
            target,
        }
    }

    fn wikitext(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Section { name, .. } => format!("/* {name} */ "),
            Self::Automatic { code, .. } => format!("/* {code} */ "),
            Self::Link { target, label } if target == label => format!("[[{target}]]"),
            Self::Link { target, label } => format!("[[{target}|{label}]]"),
        }
    }

    fn html(&self) -> String {
        match self {
            Self::Text(text) => html(text),
            Self::Section { page, name, rtl } => format!(
                "<span class=\"autocomment\"><a href=\"/wiki/{}#{}\" title=\"{}\">\
                 {}<bdi dir=\"{}\">{}</bdi></a></span> ",
                wiki_path(page),
                name.replace(' ', "_"),
                html(page),
                if *rtl { '←' } else { '→' },
                if *rtl { "rtl" } else { "ltr" },
                html(name),
            ),
            Self::Automatic { words, .. } => format!(
                "<span dir=\"auto\"><span class=\"autocomment\">{}: </span></span> ",
                html(words)
            ),
            Self::Link { target, label } => {
                let target = target.trim_start_matches(':');
                let label = label.trim_start_matches(':');
                format!(
                    "<a href=\"/wiki/{}\" title=\"{}\">{}</a>",
                    wiki_path(target),
                    html(target),
                    html(label)
                )
            }
        }
    }
}

/// The comment as wikitext and as HTML.
pub(crate) fn render(pieces: &[Piece]) -> (String, String) {
    let wikitext: String = pieces.iter().map(Piece::wikitext).collect();
    let html: String = pieces.iter().map(Piece::html).collect();
    (wikitext.trim_end().to_owned(), html.trim_end().to_owned())
}

fn html(text: &str) -> String {
    escape(text, "&#039;")
}
