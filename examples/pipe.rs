//! `println!` for programs that are piped into `head`.
//!
//! The one of std panics when nobody reads standard output any more. These end the
//! program instead, and well: the reader has seen enough. `#[macro_use] mod pipe;`
//! puts them in place of std's; without that line an example works as before.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
    process,
};

/// Writes to standard output.
pub(crate) fn write(text: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => process::exit(0),
        Err(error) => {
            eprintln!("cannot write to standard output: {error}");
            process::exit(1);
        }
    }
}

#[allow(unused_macros, reason = "not every example prints parts of lines")]
macro_rules! print {
    ($($part:tt)*) => { $crate::pipe::write(format_args!($($part)*)) };
}

macro_rules! println {
    ($($part:tt)*) => {
        $crate::pipe::write(format_args!("{}\n", format_args!($($part)*)))
    };
}
