//! The built-in providers. They register themselves with the macro that users have; nothing imports them.

mod sqlite;
