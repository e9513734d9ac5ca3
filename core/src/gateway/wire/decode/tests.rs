use std::{fs, ops::ControlFlow, path::Path};

use proptest::prelude::*;
use serde_json::Value as Json;

use super::{
    Decoder, Incoming, Violation,
    naive::{self, Said},
    unmask,
};
use crate::gateway::ended::Ended;

const MOST: usize = 300;

/// Feeds the bytes in pieces of these sizes, then the rest in one.
fn decode(bytes: &[u8], pieces: &[usize], most: usize) -> (Vec<Said>, Option<Violation>) {
    let mut decoder = Decoder::default();
    let mut said = Vec::new();
    let mut rest = bytes.to_owned();
    let mut pieces = pieces.iter().copied();
    while !rest.is_empty() {
        let after = rest.split_off(pieces.next().unwrap_or(usize::MAX).min(rest.len()));
        let fed = decoder.feed(&mut rest, most, &mut |incoming| {
            said.push(incoming.into());
            ControlFlow::Continue(())
        });
        assert!(decoder.held() <= 2 * 128 + most, "{}", decoder.held());
        if let Err(violation) = fed {
            assert_eq!(decoder.held(), 0);
            return (said, Some(violation));
        }
        rest = after;
    }
    (said, None)
}

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

#[test]
fn every_case_of_the_test_data() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/websocket");
    let mut count = 0;
    let mut failures = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        for (line, text) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let case: Json = serde_json::from_str(text).unwrap();
            count += 1;
            if let Err(failure) = run(&case) {
                let name = file.display();
                failures.push(format!("{name}:{}: {failure}\n  {text}", line + 1));
            }
        }
    }
    assert!(count > 100, "only {count} cases");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A case in one piece, byte by byte, and by the naive decoder.
fn run(case: &Json) -> Result<(), String> {
    let bytes = bytes_of(&case["in"]);
    let most = case["most"].as_u64().unwrap_or(65_536) as usize;
    let expected: Vec<Said> = case["out"].as_array().unwrap().iter().map(said).collect();
    let violation = case["violation"].as_str();
    let bytewise = vec![1; bytes.len()];
    for (way, (said, found)) in [
        ("whole", decode(&bytes, &[], most)),
        ("bytewise", decode(&bytes, &bytewise, most)),
        ("naive", naive::decode(&bytes, most)),
    ] {
        if said != expected {
            return Err(format!("{way}: {said:?}"));
        }
        if found.map(name).as_deref() != violation {
            return Err(format!("{way}: {found:?}"));
        }
        let code = found.map(|found| u64::from(found.ended().close_code()));
        if code != case["code"].as_u64() {
            return Err(format!("{way}: closed with {code:?}"));
        }
    }
    Ok(())
}

/// The violation's name without what it carries.
fn name(violation: Violation) -> String {
    let name = format!("{violation:?}");
    let end = name.find([' ', '(']).unwrap_or(name.len());
    name[..end].to_owned()
}

/// A list of texts in hexadecimal, and of `[text, times]` for what is repeated.
fn bytes_of(parts: &Json) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts.as_array().unwrap() {
        match part {
            Json::Array(repeated) => {
                let times = repeated[1].as_u64().unwrap() as usize;
                bytes.extend(hex(&repeated[0]).repeat(times));
            }
            part => bytes.extend(hex(part)),
        }
    }
    bytes
}

fn hex(text: &Json) -> Vec<u8> {
    let digits: Vec<u8> = text
        .as_str()
        .unwrap()
        .bytes()
        .filter(|b| *b != b' ')
        .collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn said(json: &Json) -> Said {
    let (kind, value) = json.as_object().unwrap().iter().next().unwrap();
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    match kind.as_str() {
        // What is long is told by a character and how often it comes.
        "text" if value.is_array() => {
            Said::Text(text(&value[0]).repeat(value[1].as_u64().unwrap() as usize))
        }
        "text" => Said::Text(text(value)),
        "binary" => Said::Binary(bytes_of(value)),
        "ping" => Said::Ping(bytes_of(value)),
        "pong" => Said::Pong,
        "close" if value.is_null() => Said::Close(None),
        "close" => Said::Close(Some((
            value["code"].as_u64().unwrap() as u16,
            text(&value["reason"]),
        ))),
        other => panic!("{other:?} is no message"),
    }
}

/// Frames that often are right: valid and invalid ones are both reached.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        6 => prop_oneof![Just(0x81), Just(0x82), Just(0x01), Just(0x02), Just(0x00), Just(0x80)],
        3 => prop_oneof![Just(0x89), Just(0x8a)],
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        6 => "[a-zé€𝄞]{0,40}".prop_map(String::into_bytes),
        // Halves of characters, which fragments may put together.
        2 => Just("€".as_bytes()[..2].to_vec()),
        2 => Just("€".as_bytes()[2..].to_vec()),
        2 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => Just(vec![0x03, 0xe8]),
    ];
    let frame = (first, payload).prop_map(|(first, payload)| frame(first, &payload));
    let frames = proptest::collection::vec(frame, 0..8).prop_map(|frames| frames.concat());
    let cut = (frames, any::<prop::sample::Index>(), 0_u8..8).prop_map(|(mut bytes, at, flip)| {
        // Now and then a byte that nobody meant.
        if flip == 0 && !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] ^= 0x41;
        }
        bytes
    });
    cut.boxed()
}

proptest! {
    #[test]
    fn however_it_is_cut_it_says_the_same(
        bytes in stream(),
        pieces in proptest::collection::vec(0_usize..60, 0..40),
    ) {
        let expected = naive::decode(&bytes, MOST);
        prop_assert_eq!(&decode(&bytes, &[], MOST), &expected);
        prop_assert_eq!(&decode(&bytes, &pieces, MOST), &expected);
    }

    #[test]
    fn each_byte_says_no_more_and_no_less_than_it_shows(bytes in stream()) {
        let mut decoder = Decoder::default();
        let mut said = Vec::new();
        for end in 1..=bytes.len() {
            let fed = decoder.feed(&mut [bytes[end - 1]], MOST, &mut |incoming| {
                said.push(Said::from(incoming));
                ControlFlow::Continue(())
            });
            let expected = naive::decode(&bytes[..end], MOST);
            prop_assert_eq!((&said, fed.err()), (&expected.0, expected.1));
            if fed.is_err() {
                break;
            }
        }
    }

    #[test]
    fn words_unmask_as_bytes_do(
        bytes in proptest::collection::vec(any::<u8>(), 0..70),
        mask: [u8; 4],
        cut: prop::sample::Index,
    ) {
        let expected: Vec<u8> =
            bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        let mut found = bytes;
        let (mut turned, at) = (mask, cut.index(found.len() + 1));
        let (before, after) = found.split_at_mut(at);
        unmask(before, &mut turned);
        unmask(after, &mut turned);
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn nothing_comes_after_a_break() {
    let mut decoder = Decoder::default();
    let mut input = [frame(0x81, b"a"), frame(0x81, b"b"), frame(0x01, b"c")].concat();
    let mut count = 0;
    let mut once = |_: Incoming<'_>| {
        count += 1;
        ControlFlow::Break(())
    };
    decoder.feed(&mut input, MOST, &mut once).unwrap();
    decoder
        .feed(&mut frame(0x81, b"d"), MOST, &mut once)
        .unwrap();
    // Not even a violation.
    decoder.feed(&mut [0xff], MOST, &mut once).unwrap();
    assert_eq!(count, 1);
    assert_eq!(decoder.held(), 0);
    assert!(decoder.is_between_messages());
}

#[test]
fn it_knows_when_it_is_in_the_middle() {
    let mut decoder = Decoder::default();
    let mut feed = |bytes: &[u8]| {
        let ignore = &mut |_: Incoming<'_>| ControlFlow::Continue(());
        decoder.feed(&mut bytes.to_owned(), MOST, ignore).unwrap();
        (decoder.is_between_messages(), decoder.held() > 0)
    };
    let (text, first) = (frame(0x81, b"abc"), frame(0x01, b"abc"));
    assert_eq!(feed(&text), (true, false));
    assert_eq!(feed(&text[..1]), (false, false), "in a header");
    assert_eq!(feed(&text[1..8]), (false, true), "in a payload");
    assert_eq!(feed(&text[8..]), (true, false));
    assert_eq!(feed(&first), (false, true), "between fragments");
    assert_eq!(feed(&frame(0x89, b"p")[..7]), (false, true), "in a ping");
    assert_eq!(feed(&frame(0x89, b"p")[7..]), (false, true));
    assert_eq!(feed(&frame(0x80, b"")), (true, false));
    assert_eq!(feed(&frame(0x88, b"")), (true, false), "over");
}

#[test]
fn nothing_is_reserved_because_a_header_says_so() {
    let most = 1 << 30;
    let mut decoder = Decoder::default();
    let ignore = &mut |_: Incoming<'_>| ControlFlow::Continue(());
    let mut header = vec![0x82, 0xff];
    header.extend((most as u64).to_be_bytes());
    header.extend([0; 4]);
    decoder.feed(&mut header, most, ignore).unwrap();
    decoder.feed(&mut [7; 1_000], most, ignore).unwrap();
    assert!(decoder.held() < 2_200, "{}", decoder.held());
}

#[test]
fn one_byte_at_a_time_takes_no_more_than_the_largest_message() {
    let most = 100_000;
    let mut decoder = Decoder::default();
    let mut received = 0;
    let mut receive = |incoming: Incoming<'_>| {
        if let Incoming::Binary(bytes) = incoming {
            received = bytes.len();
        }
        ControlFlow::Continue(())
    };
    for at in 1..=most {
        let first = match at {
            1 => 0x02,
            at if at == most => 0x80,
            _ => 0x00,
        };
        decoder
            .feed(&mut frame(first, b"x"), most, &mut receive)
            .unwrap();
        assert!(decoder.held() <= most + 64, "{}", decoder.held());
    }
    assert_eq!(received, most);
}

#[test]
fn every_violation_fits_a_close_frame_and_has_its_code() {
    let all = [
        (Violation::ReservedBits, Ended::Protocol),
        (Violation::Opcode(15), Ended::Protocol),
        (Violation::NothingToContinue, Ended::Protocol),
        (Violation::Interrupted, Ended::Protocol),
        (Violation::FragmentedControl, Ended::Protocol),
        (Violation::LongControl, Ended::Protocol),
        (Violation::Unmasked, Ended::Protocol),
        (Violation::Length, Ended::Protocol),
        (Violation::TooLarge { most: usize::MAX }, Ended::TooLarge),
        (Violation::NotText, Ended::NotText),
        (Violation::ClosePayload, Ended::Protocol),
        (Violation::CloseCode(u16::MAX), Ended::Protocol),
        (Violation::CloseReason, Ended::NotText),
    ];
    for (violation, ended) in all {
        assert!(violation.to_string().len() <= 123, "{violation}");
        assert_eq!(violation.ended(), ended, "{violation}");
    }
}
