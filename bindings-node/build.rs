//! Tells the linker what the system needs for a library that Node loads.

fn main() {
    napi_build::setup();
}
