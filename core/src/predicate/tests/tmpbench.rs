use super::super::*;
use std::hint::black_box;
use std::time::Instant;
fn time(name: &str, n: u32, mut f: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..15 {
        let t = Instant::now();
        for _ in 0..n {
            f()
        }
        best = best.min(t.elapsed().as_nanos() as f64 / f64::from(n));
    }
    eprintln!("{name}: {best:.1} ns");
}
#[test]
fn bench() {
    let mut body = String::from("{");
    for i in 0..22 {
        body += &format!(r#""field_{i}": "some text of a size {i}", "#);
    }
    body +=
        r#""document": {"id": 42, "author": {"role": "owner"}}, "region": "eu", "total": 12.5}"#;
    eprintln!("{} bytes", body.len());
    for paths in [
        &["region"][..],
        &["document.id"],
        &["region", "document.id", "total"],
    ] {
        let p = Projection::new(paths.iter().map(|p| Path::new(p)));
        let mut f = Fields::new();
        time(&format!("extract {paths:?}"), 20_000, || {
            p.from_json(black_box(body.as_bytes()), &mut f).unwrap();
            black_box(&f);
        });
    }
    time("IgnoredAny alone", 20_000, || {
        serde_json::from_slice::<serde::de::IgnoredAny>(black_box(body.as_bytes())).unwrap();
    });
    time("utf8", 20_000, || {
        black_box(std::str::from_utf8(black_box(body.as_bytes())).unwrap());
    });
    let big = format!(
        r#"{{"items": [{}], "region": "eu"}}"#,
        vec![body.clone(); 16].join(",")
    );
    let p = Projection::new([Path::new("region")]);
    let mut f = Fields::new();
    time(&format!("extract {} bytes", big.len()), 2_000, || {
        p.from_json(black_box(big.as_bytes()), &mut f).unwrap();
    });
    let t = Template::parse(r#"{"document":{"id":[{"$var":"id"}]}}"#).unwrap();
    let v = Variables::new().with("id", 42);
    time("bind", 50_000, || {
        black_box(t.bind(black_box(&v)).unwrap());
    });
    let filter = t.bind(&v).unwrap();
    let p = Projection::new(filter.paths().cloned());
    let mut f = Fields::new();
    p.from_json(body.as_bytes(), &mut f).unwrap();
    time("admits int", 1_000_000, || {
        black_box(filter.admits(black_box(&f)));
    });
    let filter = Filter::parse(r#"{"region":["eu"]}"#).unwrap();
    let p = Projection::new(filter.paths().cloned());
    let mut f = Fields::new();
    p.from_json(body.as_bytes(), &mut f).unwrap();
    time("admits string", 1_000_000, || {
        black_box(filter.admits(black_box(&f)));
    });
    time("parse", 5_000, || {
        black_box(Filter::parse(black_box(r#"{"document":{"id":[42]},"region":["eu"]}"#)).unwrap());
    });
    let a = crate::fields::Attributes::new()
        .with("region", "eu")
        .with("x", 1);
    time("attributes", 100_000, || {
        let mut f = Fields::new();
        p.from_attributes(black_box(&a), &mut f);
        black_box(&f);
    });
    let mut f = Fields::new();
    time("attributes reuse", 100_000, || {
        p.from_attributes(black_box(&a), &mut f);
        black_box(&f);
    });
    eprintln!(
        "{} {} {}",
        size_of::<Parts>(),
        size_of::<Slot>(),
        size_of::<crate::fields::Leaf<'_>>()
    );
}
