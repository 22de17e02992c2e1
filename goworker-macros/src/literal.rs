//! Literals that can be compared while a program is compiled.

use std::cmp::Ordering;

use syn::{Expr, ExprLit, ExprRange, ExprUnary, Lit, RangeLimits, UnOp};

/// Whether an expression is a literal, or a negative one.
pub(crate) fn is_literal(value: &Expr) -> bool {
    match value {
        Expr::Lit(_) => true,
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => is_literal(expr),
        _ => false,
    }
}

/// Whether a literal is certain to be outside of a range of literals.
pub(crate) fn is_outside(value: &Expr, range: &ExprRange) -> bool {
    let Some(value) = Literal::of(value) else { return false };
    let order = |bound: &Option<Box<Expr>>| value.partial_cmp(&Literal::of(bound.as_deref()?)?);
    let too_small = order(&range.start) == Some(Ordering::Less);
    let too_large = match order(&range.end) {
        Some(Ordering::Greater) => true,
        Some(Ordering::Equal) => matches!(range.limits, RangeLimits::HalfOpen(_)),
        _ => false,
    };
    too_small || too_large
}

/// Whether no value can be in a range of literals.
pub(crate) fn is_empty(range: &ExprRange) -> bool {
    let (Some(start), Some(end)) = (&range.start, &range.end) else { return false };
    match Literal::of(start).zip(Literal::of(end)).and_then(|(start, end)| start.partial_cmp(&end)) {
        Some(Ordering::Greater) => true,
        Some(Ordering::Equal) => matches!(range.limits, RangeLimits::HalfOpen(_)),
        _ => false,
    }
}

#[derive(Clone, Copy)]
enum Literal {
    Whole(i128),
    Real(f64),
    Char(char),
}

impl Literal {
    fn of(value: &Expr) -> Option<Self> {
        match value {
            Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => int.base10_parse().ok().map(Literal::Whole),
            Expr::Lit(ExprLit { lit: Lit::Float(float), .. }) => float.base10_parse().ok().map(Literal::Real),
            Expr::Lit(ExprLit { lit: Lit::Char(char), .. }) => Some(Literal::Char(char.value())),
            Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => match Literal::of(expr)? {
                Literal::Whole(int) => Some(Literal::Whole(-int)),
                Literal::Real(float) => Some(Literal::Real(-float)),
                Literal::Char(_) => None,
            },
            _ => None,
        }
    }
}

impl Literal {
    /// `None` if they are of different sorts: the compiler has something to say of that.
    fn partial_cmp(&self, other: &Literal) -> Option<Ordering> {
        match (self, other) {
            (Literal::Whole(a), Literal::Whole(b)) => a.partial_cmp(b),
            (Literal::Real(a), Literal::Real(b)) => a.partial_cmp(b),
            (Literal::Char(a), Literal::Char(b)) => a.partial_cmp(b),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn literals_outside_of_their_range_are_found() {
        let outside = |value: Expr, range: ExprRange| is_outside(&value, &range);
        for (value, range) in [
            (parse_quote!(0), parse_quote!(1..=9)),
            (parse_quote!(10), parse_quote!(1..=9)),
            (parse_quote!(9), parse_quote!(1..9)),
            (parse_quote!(-91), parse_quote!(-90..=90)),
            (parse_quote!(0x10u8), parse_quote!(..=0xF)),
            (parse_quote!(1.5), parse_quote!(0.0..=1.0)),
            (parse_quote!('z'), parse_quote!('a'..='f')),
        ] {
            assert!(outside(value, range));
        }
        for (value, range) in [
            (parse_quote!(1), parse_quote!(1..=9)),
            (parse_quote!(9), parse_quote!(1..=9)),
            (parse_quote!(-90), parse_quote!(-90..)),
            (parse_quote!(0.5), parse_quote!(0.0..1.0)),
            (parse_quote!(10), parse_quote!(LEAST..=MOST)),
            (parse_quote!(START), parse_quote!(1..=9)),
            (parse_quote!(99), parse_quote!(1..=MOST)),
        ] {
            assert!(!outside(value, range));
        }
    }

    #[test]
    fn ranges_without_any_value_are_found() {
        let empty: [ExprRange; 4] = [parse_quote!(9..=1), parse_quote!(1..1), parse_quote!(0.5..0.5), parse_quote!(1..=-1)];
        assert!(empty.iter().all(is_empty));
        let others: [ExprRange; 5] =
            [parse_quote!(1..=1), parse_quote!(1..2), parse_quote!(1..), parse_quote!(..1), parse_quote!(9..=LEAST)];
        assert!(!others.iter().any(is_empty));
    }
}
