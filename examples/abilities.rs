//! Prints the README's table of brokers and abilities: `cargo run --example abilities`.

use examples::abilities::{BEGIN, END, table};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{BEGIN}\n{}\n{END}", table()?);
    Ok(())
}
