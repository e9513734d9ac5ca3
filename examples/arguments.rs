//! The command line of the server examples: `--name value` or `--name=value`.
//!
//! A server of your own will want a crate for this; here it is a page, so that an
//! example is about what it shows.

use std::{fmt::Display, process, str::FromStr};

/// The values of these options, each as it was given or its default. Prints the text
/// that `--help` asks for, or says what is wrong, and ends the program.
pub(crate) fn parse<const N: usize>(usage: &str, options: [(&str, &str); N]) -> [String; N] {
    let mut values = options.map(|(_, default)| default.to_owned());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (&*argument, None),
        };
        if matches!(name, "--help" | "-h") {
            crate::pipe::write(format_args!("{usage}"));
            process::exit(0);
        }
        let Some(at) = options.iter().position(|(option, _)| *option == name) else {
            refuse(usage, format_args!("unknown argument {name:?}"));
        };
        match inline.or_else(|| arguments.next()) {
            Some(value) => values[at] = value,
            None => refuse(usage, format_args!("{name} wants a value after it")),
        }
    }
    values
}

/// Reads a value, or says that it is none and ends the program.
#[allow(dead_code, reason = "not every example has numbers to read")]
pub(crate) fn read<T: FromStr>(usage: &str, option: &str, value: &str, wanted: &str) -> T {
    value.parse().unwrap_or_else(|_| {
        refuse(
            usage,
            format_args!("{option} wants {wanted}, got {value:?}"),
        )
    })
}

fn refuse(usage: &str, what: impl Display) -> ! {
    eprintln!("{what}\n\n{usage}");
    process::exit(2);
}
