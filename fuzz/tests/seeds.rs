//! Every committed seed through its target, without instrumentation.

use std::fs;
use std::path::Path;

use distributary_fuzz::TARGETS;

#[test]
fn every_seed_passes_its_target() {
    for (name, run) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("seeds")
            .join(name);
        let seeds =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut count = 0;
        for seed in seeds {
            let path = seed.expect("a readable folder").path();
            println!("{}", path.display());
            run(&fs::read(&path).expect("a readable seed"));
            count += 1;
        }
        assert!(count > 0, "{name} has no seeds");
    }
}
