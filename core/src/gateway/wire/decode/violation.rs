//! What a client did that the protocol forbids.

use std::fmt;

use crate::gateway::ended::Ended;

/// What a client did that the protocol forbids. The connection is closed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A reserved bit is set, and no extension was agreed on that would use it.
    ReservedBits,
    /// A frame of a reserved kind.
    Opcode(u8),
    /// A continuation where no message was begun.
    NothingToContinue,
    /// A new message in the middle of one.
    Interrupted,
    /// A control frame in parts.
    FragmentedControl,
    /// A control frame of more than 125 bytes.
    LongControl,
    /// A frame without a mask.
    Unmasked,
    /// A length in more bytes than it needs, or beyond 63 bits.
    Length,
    /// A message of more bytes than allowed.
    TooLarge {
        /// The most that is allowed.
        most: usize,
    },
    /// A text message that is not UTF-8.
    NotText,
    /// A close frame with half a code.
    ClosePayload,
    /// A close code that may not be sent.
    CloseCode(u16),
    /// The reason in a close frame is not UTF-8.
    CloseReason,
}

impl Violation {
    /// What the connection ends with.
    pub(crate) fn ended(self) -> Ended {
        match self {
            Violation::TooLarge { .. } => Ended::TooLarge,
            Violation::NotText | Violation::CloseReason => Ended::NotText,
            _ => Ended::Protocol,
        }
    }
}

impl fmt::Display for Violation {
    /// Short enough for the reason of a close frame.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::ReservedBits => {
                f.write_str("reserved bits are set: no extension was agreed on")
            }
            Violation::Opcode(opcode) => {
                write!(f, "opcode {opcode:#x} is reserved: send 0x0-0x2 or 0x8-0xa")
            }
            Violation::NothingToContinue => {
                f.write_str("a continuation without a message: begin one first")
            }
            Violation::Interrupted => {
                f.write_str("a new message inside one: finish the first by continuations")
            }
            Violation::FragmentedControl => {
                f.write_str("control frames may not be fragmented: set FIN")
            }
            Violation::LongControl => {
                f.write_str("control frames hold at most 125 bytes: send less")
            }
            Violation::Unmasked => f.write_str("a frame without a mask: clients have to mask"),
            Violation::Length => f.write_str("a length is not in its shortest form"),
            Violation::TooLarge { most } => {
                write!(f, "a message may have {most} bytes: send smaller ones")
            }
            Violation::NotText => {
                f.write_str("a text message is not UTF-8: send binary ones for other bytes")
            }
            Violation::ClosePayload => {
                f.write_str("a close frame of one byte: send two for the code, or none")
            }
            Violation::CloseCode(code) => {
                write!(f, "close code {code} may not be sent: use 1000")
            }
            Violation::CloseReason => f.write_str("the reason of a close frame is not UTF-8"),
        }
    }
}

impl std::error::Error for Violation {}
