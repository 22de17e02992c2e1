//! Whole numbers that a Lua number cannot hold: it is a double, exact up to 2^53 only.
//!
//! Such a number compares with its kind, prints, concatenates and encodes exactly. Sums, differences, products,
//! quotients by `//` and remainders of whole numbers are exact as long as they fit 64 bits; everything else is
//! computed with doubles, as Lua does.

use std::fmt;

use mlua::{AnyUserData, Lua, MetaMethod, UserData, UserDataMethods, Value};

/// The largest number up to which a double holds every whole number.
const EXACT: i128 = 1 << 53;

/// A whole number of 64 bits, signed or unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Integer(i128);

impl Integer {
    /// The number as a Lua value: a plain number if that is exact.
    pub(super) fn into_value(number: i128, lua: &Lua) -> mlua::Result<Value> {
        match i64::try_from(number) {
            Ok(small) if number.abs() <= EXACT => Ok(Value::Integer(small)),
            _ => lua.create_userdata(Integer(number)).map(Value::UserData),
        }
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl UserData for Integer {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| Ok(this.to_string()));
        methods.add_meta_method(MetaMethod::Eq, |_, this, other: AnyUserData| {
            Ok(other.borrow::<Integer>().is_ok_and(|other| *other == *this))
        });
        methods.add_meta_function(MetaMethod::Lt, |_, (a, b): (Operand, Operand)| Ok(a.less(b)));
        methods.add_meta_function(MetaMethod::Le, |_, (a, b): (Operand, Operand)| Ok(!b.less(a)));
        methods.add_meta_function(MetaMethod::Concat, |_, (a, b): (Value, Value)| Ok(format!("{}{}", a.to_string()?, b.to_string()?)));
        methods.add_meta_method(MetaMethod::Unm, |lua, this, ()| Operand::Whole(-this.0).into_value(lua));
        arithmetic(methods, MetaMethod::Add, i128::checked_add, |a, b| a + b);
        arithmetic(methods, MetaMethod::Sub, i128::checked_sub, |a, b| a - b);
        arithmetic(methods, MetaMethod::Mul, i128::checked_mul, |a, b| a * b);
        arithmetic(methods, MetaMethod::IDiv, floor_div, |a, b| (a / b).floor());
        arithmetic(methods, MetaMethod::Mod, floor_mod, |a, b| a - (a / b).floor() * b);
        arithmetic(methods, MetaMethod::Div, |_, _| None, |a, b| a / b);
        arithmetic(methods, MetaMethod::Pow, |_, _| None, f64::powf);
    }
}

fn floor_div(a: i128, b: i128) -> Option<i128> {
    let (quotient, remainder) = (a.checked_div(b)?, a.checked_rem(b)?);
    Some(if remainder != 0 && (remainder < 0) != (b < 0) { quotient - 1 } else { quotient })
}

fn floor_mod(a: i128, b: i128) -> Option<i128> {
    let remainder = a.checked_rem(b)?;
    Some(if remainder != 0 && (remainder < 0) != (b < 0) { remainder + b } else { remainder })
}

fn arithmetic<M: UserDataMethods<Integer>>(
    methods: &mut M,
    name: MetaMethod,
    exact: fn(i128, i128) -> Option<i128>,
    inexact: fn(f64, f64) -> f64,
) {
    methods.add_meta_function(name, move |lua, (a, b): (Operand, Operand)| {
        let whole = match (a, b) {
            (Operand::Whole(a), Operand::Whole(b)) => exact(a, b),
            _ => None,
        };
        whole.map_or_else(|| Operand::Double(inexact(a.double(), b.double())), Operand::Whole).into_value(lua)
    });
}

/// One side of an operation.
#[derive(Clone, Copy)]
enum Operand {
    Whole(i128),
    Double(f64),
}

impl Operand {
    #[allow(clippy::cast_precision_loss, reason = "doubles are what Lua computes with")]
    fn double(self) -> f64 {
        match self {
            Operand::Whole(number) => number as f64,
            Operand::Double(number) => number,
        }
    }

    fn less(self, other: Operand) -> bool {
        match (self, other) {
            (Operand::Whole(a), Operand::Whole(b)) => a < b,
            (a, b) => a.double() < b.double(),
        }
    }

    fn into_value(self, lua: &Lua) -> mlua::Result<Value> {
        match self {
            Operand::Whole(number) if i64::try_from(number).is_ok() || u64::try_from(number).is_ok() => Integer::into_value(number, lua),
            other => Ok(Value::Number(other.double())),
        }
    }
}

impl mlua::FromLua for Operand {
    fn from_lua(value: Value, _: &Lua) -> mlua::Result<Self> {
        match &value {
            Value::Integer(number) => Ok(Operand::Whole((*number).into())),
            Value::Number(number) => Ok(Operand::Double(*number)),
            Value::UserData(data) => Ok(Operand::Whole(data.borrow::<Integer>()?.0)),
            other => Err(mlua::Error::runtime(format!("attempt to do arithmetic with a number and a {}", other.type_name()))),
        }
    }
}
