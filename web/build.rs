//! The binary embeds the built web client, so it is stale when the client is.

fn main() {
    println!("cargo::rerun-if-changed=ui/dist");
}
