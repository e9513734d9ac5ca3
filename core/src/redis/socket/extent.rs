//! How far the first frame of a buffer reaches.
//!
//! The codec takes a frame apart by calling itself for each part of a part. Who chooses how
//! deep parts are nested chooses how much stack that takes, and a stack that overflows ends
//! the process. So frames are measured first, in a loop, and only those that are whole and
//! shallow go to the codec. That also spares it what has not come entirely.
//!
//! # Invariants
//!
//! - What the codec reads as a frame has this extent, unless it is refused here.

use super::frames::Malformed;

/// How many parts may be nested. The answers that we ask for come to five.
const DEEPEST: usize = 32;

/// The length of the first frame; `None` while it is not whole.
pub(super) fn extent(buffer: &[u8]) -> Result<Option<usize>, Malformed> {
    // Parts that are still to come, of each that is open.
    let mut open = [0_usize; DEEPEST];
    let mut depth = 0;
    let mut at = 0;
    loop {
        let Some(head) = buffer.get(at..).and_then(Head::read) else {
            return Ok(None);
        };
        at += head.length;
        let parts = match head.mark {
            b'$' | b'!' | b'=' => {
                // The text, and the end of its line.
                let after = at.checked_add(head.number()?);
                let after = after.and_then(|after| after.checked_add(2));
                at = after.ok_or_else(|| Malformed::new("a text of impossible length"))?;
                if at > buffer.len() {
                    return Ok(None);
                }
                0
            }
            b'*' | b'~' | b'>' => head.number()?,
            b'%' => head.number()?.saturating_mul(2),
            // Attributes, and what they are attributes of.
            b'|' => head.number()?.saturating_mul(2).saturating_add(1),
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => 0,
            _ => return Err(Malformed::new("a frame that no server sends")),
        };
        if parts > 0 {
            let deeper = open.get_mut(depth);
            *deeper.ok_or_else(|| Malformed::new("a frame that is nested too deep"))? = parts;
            depth += 1;
            continue;
        }
        // A part is whole, and with it all of which it is the last.
        loop {
            if depth == 0 {
                return Ok(Some(at));
            }
            open[depth - 1] -= 1;
            if open[depth - 1] > 0 {
                break;
            }
            depth -= 1;
        }
    }
}

/// The line that each frame and each part begins with.
struct Head<'a> {
    mark: u8,
    rest: &'a [u8],
    length: usize,
}

impl<'a> Head<'a> {
    /// `None` while the line has no end.
    fn read(buffer: &'a [u8]) -> Option<Self> {
        let (mark, rest) = buffer.split_first()?;
        let end = rest.windows(2).position(|end| end == b"\r\n")?;
        Some(Head {
            mark: *mark,
            rest: &rest[..end],
            length: end + 3,
        })
    }

    fn number(&self) -> Result<usize, Malformed> {
        let digits = std::str::from_utf8(self.rest).ok();
        digits
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| Malformed::new("a length that is no number"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redis_protocol::resp3::decode::complete::decode_range;

    use super::*;

    #[test]
    fn whole_frames_are_measured() {
        for frame in [
            "+OK\r\n",
            "_\r\n",
            "$0\r\n\r\n",
            "$4\r\n\r\n\r\n\r\n",
            "=7\r\ntxt:abc\r\n",
            "*0\r\n",
            "*2\r\n*1\r\n:1\r\n*0\r\n",
            "%1\r\n+a\r\n~2\r\n:1\r\n:2\r\n",
            "|1\r\n+a\r\n+b\r\n*1\r\n:1\r\n",
            ">2\r\n+a\r\n$1\r\nb\r\n",
        ] {
            let followed = [frame, "+what follows\r\n"].concat();
            assert_eq!(extent(followed.as_bytes()), Ok(Some(frame.len())));
            let (_, length) = decode_range(followed.as_bytes()).unwrap().unwrap();
            assert_eq!(length, frame.len());
            for short in 0..frame.len() {
                assert_eq!(extent(&frame.as_bytes()[..short]), Ok(None), "{frame:?}");
            }
        }
    }

    #[test]
    fn what_no_server_sends_is_refused() {
        for frame in [
            "H\r\n",
            "$-1\r\n",
            "*?\r\n",
            "$99999999999999999999\r\n",
            "$18446744073709551615\r\n",
        ] {
            assert!(extent(frame.as_bytes()).is_err(), "{frame:?}");
        }
        assert_eq!(extent(b"%18446744073709551615\r\n"), Ok(None));
    }

    #[test]
    fn depth_is_bounded() {
        for nested in ["*1\r\n", "*2\r\n:1\r\n", "~1\r\n", "|0\r\n", "%1\r\n+a\r\n"] {
            let deep = |depth: usize| [nested.repeat(depth).as_str(), ":1\r\n"].concat();
            let bytes = deep(DEEPEST);
            assert_eq!(extent(bytes.as_bytes()), Ok(Some(bytes.len())), "{nested}");
            assert!(extent(deep(DEEPEST + 1).as_bytes()).is_err(), "{nested}");
        }
    }

    proptest! {
        #[test]
        fn the_codec_agrees(parts in proptest::collection::vec(
            prop_oneof![
                Just("*1\r\n"), Just("*2\r\n"), Just("~1\r\n"), Just(">3\r\n"), Just("%1\r\n"),
                Just("|1\r\n"), Just("$3\r\nab"), Just("$2\r\nab\r\n"), Just("+a\r\n"),
                Just(":7\r\n"), Just("_\r\n"), Just("\r"), Just("\n"), Just("-ERR no\r\n"),
            ],
            0..12,
        )) {
            let bytes = parts.concat();
            let measured = extent(bytes.as_bytes());
            if let Ok(Some((_, length))) = decode_range(bytes.as_bytes()) {
                prop_assert_eq!(measured, Ok(Some(length)));
            }
        }
    }
}
