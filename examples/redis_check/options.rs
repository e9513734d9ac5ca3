//! The command line.

use std::{fs, time::Duration};

use distributary::redis::{Demands, DemandsOptions, Mode, Redis};

pub(crate) const USAGE: &str = "\
Is it safe to switch to this Redis now? Prints yes or no, and why.

usage: redis_check [options] URL [URL...]

  URL                  redis://[user[:password]@]host[:port][/database], rediss:// for TLS
  --sentinel NAME      the URLs are sentinels, and NAME is their master's name
  --cluster            the URLs are nodes of a cluster
  --for SECONDS        how long to observe (5)
  --stable SECONDS     the replicas must have been there for so long, or since the start (60)
  --replicas N         each master must have so many replicas online (0)
  --roots FILE         certificates to trust, in PEM; the system's otherwise
  --json               the answer as JSON
  --help               this text

exit code: 0 for yes, 1 for no, 2 when the question cannot be read";

/// What was asked.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    urls: Vec<String>,
    sentinel: Option<String>,
    cluster: bool,
    pub(crate) seconds: Duration,
    stable: Option<Duration>,
    replicas: usize,
    roots: Option<String>,
    pub(crate) json: bool,
}

impl Options {
    /// `None` asks for the usage.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<Option<Self>, String> {
        let mut options = Options {
            seconds: Duration::from_secs(5),
            ..Options::default()
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, inline) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (&*argument, None),
            };
            let mut value = || {
                let value = inline.clone().or_else(|| arguments.next());
                value.ok_or(format!("{name} wants a value after it"))
            };
            match name {
                "--help" | "-h" => return Ok(None),
                "--json" => options.json = true,
                "--cluster" => options.cluster = true,
                "--sentinel" => options.sentinel = Some(value()?),
                "--for" => options.seconds = seconds(name, &value()?)?,
                "--stable" => options.stable = Some(seconds(name, &value()?)?),
                "--roots" => options.roots = Some(value()?),
                "--replicas" => {
                    let text = value()?;
                    let wrong = |_| format!("--replicas wants a number, got {text:?}");
                    options.replicas = text.parse().map_err(wrong)?;
                }
                name if name.starts_with('-') => return Err(format!("unknown argument {name:?}")),
                _ => options.urls.push(argument),
            }
        }
        options.checked().map(Some)
    }

    fn checked(self) -> Result<Self, String> {
        let several = self.sentinel.is_some() || self.cluster;
        if self.urls.is_empty() {
            return Err("no URL was given".into());
        }
        if self.sentinel.is_some() && self.cluster {
            return Err("--sentinel and --cluster exclude each other".into());
        }
        if self.urls.len() > 1 && !several {
            return Err("several URLs are for --sentinel or --cluster".into());
        }
        Ok(self)
    }

    pub(crate) fn redis(&self) -> Result<Redis, Box<dyn std::error::Error>> {
        let mut builder = match &self.sentinel {
            Some(name) => Redis::sentinel(&self.urls, name)?,
            // Logs are spread over all masters, so that every one of them is watched.
            None if self.cluster => Redis::cluster(&self.urls)?.mode("*", Mode::Replay)?,
            None => Redis::at(&self.urls[0])?,
        };
        if let Some(path) = &self.roots {
            let pem = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
            builder = builder.root_certificates(pem);
        }
        Ok(builder.build()?)
    }

    pub(crate) fn demands(&self) -> Demands {
        let demands = DemandsOptions {
            replicas: Some(self.replicas),
            stable: self.stable,
            ..DemandsOptions::default()
        };
        demands.into()
    }
}

fn seconds(name: &str, text: &str) -> Result<Duration, String> {
    let number = text.parse::<f64>().ok();
    number
        .and_then(|number| Duration::try_from_secs_f64(number).ok())
        .ok_or(format!("{name} wants seconds, got {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Options>, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_is_asked_is_read() {
        let options = parsed("--for 2.5 --json redis://a --stable=0 --replicas 2")
            .unwrap()
            .unwrap();
        assert_eq!(options.urls, ["redis://a"]);
        assert_eq!(options.seconds, Duration::from_millis(2_500));
        assert!(options.json);
        let demands = options.demands();
        assert_eq!((demands.stable, demands.replicas), (Duration::ZERO, 2));
        let several = parsed("--sentinel main redis://a redis://b").unwrap();
        assert_eq!(several.unwrap().sentinel.as_deref(), Some("main"));
        assert_eq!(parsed("--help redis://a"), Ok(None));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        for (line, reason) in [
            ("", "no URL"),
            ("redis://a redis://b", "several URLs"),
            ("--cluster --sentinel x redis://a", "exclude"),
            ("--nothing redis://a", "unknown argument"),
            ("redis://a --for", "wants a value"),
            ("redis://a --for never", "wants seconds"),
            ("redis://a --for -1", "wants seconds"),
            ("redis://a --replicas x", "wants a number"),
        ] {
            let refused = parsed(line).unwrap_err();
            assert!(refused.contains(reason), "{line}: {refused}");
        }
    }
}
