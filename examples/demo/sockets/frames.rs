//! The little of RFC 6455 that these clients need: reading what a server sends, and
//! writing the two frames that they send themselves.

use std::ops::Range;

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A frame at the beginning of some bytes.
#[derive(Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) last: bool,
    pub(crate) opcode: u8,
    /// Where its payload stands; the next frame begins behind it.
    pub(crate) payload: Range<usize>,
}

/// Reads the frame that the bytes begin with, once it is there whole.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<Frame>, String> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 || second & 0x80 != 0 {
        return Err(format!("no frame of a server: {first:02x} {second:02x}"));
    }
    let (start, length): (usize, u64) = match second & 0x7f {
        126 => match rest.first_chunk() {
            Some(length) => (4, u64::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => (10, u64::from_be_bytes(*length)),
            None => return Ok(None),
        },
        length => (2, u64::from(length)),
    };
    let end = usize::try_from(length).ok();
    let end = end.and_then(|length| start.checked_add(length));
    let end = end.ok_or_else(|| format!("a frame of {length} bytes"))?;
    Ok((bytes.len() >= end).then_some(Frame {
        last: first & 0x80 != 0,
        opcode: first & 0x0f,
        payload: start..end,
    }))
}

/// A control frame of a client. Its mask is zero: a real client's must be random, but
/// here there is no proxy between that could be confused.
pub(crate) fn control(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(125)];
    let mut frame = vec![0x80 | opcode, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_once_it_is_whole() {
        for (length, head) in [
            (0_usize, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let start = head.len();
            let mut bytes = head;
            bytes.resize(start + length, b'x');
            for cut in [0, 1, start - 1, bytes.len() - 1] {
                assert_eq!(read(&bytes[..cut]), Ok(None), "{cut} of {length}");
            }
            bytes.push(0x88);
            let frame = Frame {
                last: true,
                opcode: TEXT,
                payload: start..start + length,
            };
            assert_eq!(read(&bytes), Ok(Some(frame)));
        }
    }

    #[test]
    fn what_no_server_sends_is_an_error() {
        assert!(read(&[0xc1, 0]).is_err(), "a reserved bit");
        assert!(read(&[0x81, 0x80]).is_err(), "masked");
        let endless = [0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255];
        assert!(read(&endless).is_err());
    }

    #[test]
    fn control_frames_are_masked() {
        assert_eq!(control(PONG, b"hi"), [0x8a, 0x82, 0, 0, 0, 0, b'h', b'i']);
    }
}
