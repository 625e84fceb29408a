//! Operators between numbers, references to them and primitive numbers.

use std::cmp::Ordering;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Shl, ShlAssign, Shr, ShrAssign, Sub, SubAssign};

use super::convert::{Primitive, Value};
use super::{Binary, Float, Unary};

/// An operation that has no precision yet: [`Float::with_val`] gives it one, and then it is rounded once.
pub struct Incomplete<'a>(Operation<'a>);

enum Operation<'a> {
    Unary(Unary, &'a Float),
    Binary(Binary, Operand<'a>, Operand<'a>),
}

enum Operand<'a> {
    Number(&'a Float),
    Primitive(Primitive),
}

impl<'a> Incomplete<'a> {
    pub(super) fn unary(operation: Unary, x: &'a Float) -> Self {
        Self(Operation::Unary(operation, x))
    }
}

impl Value for Incomplete<'_> {
    fn in_precision(self, precision: u32) -> Float {
        match self.0 {
            Operation::Unary(operation, x) => Float::unary(operation, x, precision),
            Operation::Binary(operation, Operand::Number(a), Operand::Number(b)) => {
                Float::binary(operation, a, b, precision)
            }
            Operation::Binary(operation, a, b) => {
                let [a, b] = [a, b].map(|operand| match operand {
                    Operand::Number(x) => x.clone(),
                    Operand::Primitive(x) => x.exact(),
                });
                Float::binary(operation, &a, &b, precision)
            }
        }
    }
}

impl Neg for Float {
    type Output = Self;
    fn neg(self) -> Self {
        Self::unary(Unary::Neg, &self, self.prec())
    }
}

impl<'a> Neg for &'a Float {
    type Output = Incomplete<'a>;
    fn neg(self) -> Incomplete<'a> {
        Incomplete::unary(Unary::Neg, self)
    }
}

/// One operator between numbers.
macro_rules! between_numbers {
    ($($Operator:ident $operator:ident $Assign:ident $assign:ident;)+) => {$(
        impl $Operator for Float {
            type Output = Self;
            fn $operator(self, other: Self) -> Self {
                Self::binary(Binary::$Operator, &self, &other, self.prec())
            }
        }
        impl $Operator<&Float> for Float {
            type Output = Self;
            fn $operator(self, other: &Self) -> Self {
                Self::binary(Binary::$Operator, &self, other, self.prec())
            }
        }
        impl $Operator<Float> for &Float {
            type Output = Float;
            fn $operator(self, other: Float) -> Float {
                Float::binary(Binary::$Operator, self, &other, other.prec())
            }
        }
        impl<'a> $Operator for &'a Float {
            type Output = Incomplete<'a>;
            fn $operator(self, other: Self) -> Incomplete<'a> {
                Incomplete(Operation::Binary(Binary::$Operator, Operand::Number(self), Operand::Number(other)))
            }
        }
        impl $Assign<&Float> for Float {
            fn $assign(&mut self, other: &Self) {
                *self = Self::binary(Binary::$Operator, self, other, self.prec());
            }
        }
        impl $Assign for Float {
            fn $assign(&mut self, other: Self) {
                *self = Self::binary(Binary::$Operator, self, &other, self.prec());
            }
        }
    )+};
}

between_numbers! {
    Add add AddAssign add_assign;
    Sub sub SubAssign sub_assign;
    Mul mul MulAssign mul_assign;
    Div div DivAssign div_assign;
}

/// One operator between a number and primitive ones of a type.
macro_rules! with_primitives {
    ($Type:ty: $($Operator:ident $operator:ident $Assign:ident $assign:ident;)+) => {$(
        impl $Operator<$Type> for Float {
            type Output = Self;
            fn $operator(self, other: $Type) -> Self {
                Self::binary(Binary::$Operator, &self, &Primitive::from(other).exact(), self.prec())
            }
        }
        impl $Operator<Float> for $Type {
            type Output = Float;
            fn $operator(self, other: Float) -> Float {
                Float::binary(Binary::$Operator, &Primitive::from(self).exact(), &other, other.prec())
            }
        }
        impl<'a> $Operator<$Type> for &'a Float {
            type Output = Incomplete<'a>;
            fn $operator(self, other: $Type) -> Incomplete<'a> {
                Incomplete(Operation::Binary(Binary::$Operator, Operand::Number(self), Operand::Primitive(other.into())))
            }
        }
        impl<'a> $Operator<&'a Float> for $Type {
            type Output = Incomplete<'a>;
            fn $operator(self, other: &'a Float) -> Incomplete<'a> {
                Incomplete(Operation::Binary(Binary::$Operator, Operand::Primitive(self.into()), Operand::Number(other)))
            }
        }
        impl $Assign<$Type> for Float {
            fn $assign(&mut self, other: $Type) {
                *self = Self::binary(Binary::$Operator, self, &Primitive::from(other).exact(), self.prec());
            }
        }
    )+};
}

macro_rules! primitives {
    ($($Type:ty)+) => {$(
        with_primitives! {
            $Type:
            Add add AddAssign add_assign;
            Sub sub SubAssign sub_assign;
            Mul mul MulAssign mul_assign;
            Div div DivAssign div_assign;
        }
        impl PartialEq<$Type> for Float {
            fn eq(&self, other: &$Type) -> bool {
                self.compare(&Primitive::from(*other).exact()) == Some(Ordering::Equal)
            }
        }
        impl PartialOrd<$Type> for Float {
            fn partial_cmp(&self, other: &$Type) -> Option<Ordering> {
                self.compare(&Primitive::from(*other).exact())
            }
        }
    )+};
}

primitives!(f32 f64 i32 i64 u32 u64);

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.compare(other)
    }
}

impl Shl<i32> for Float {
    type Output = Self;
    fn shl(self, by: i32) -> Self {
        self.scaled(by.into())
    }
}

impl Shr<i32> for Float {
    type Output = Self;
    fn shr(self, by: i32) -> Self {
        self.scaled(-i64::from(by))
    }
}

impl ShlAssign<i32> for Float {
    fn shl_assign(&mut self, by: i32) {
        *self = self.scaled(by.into());
    }
}

impl ShrAssign<i32> for Float {
    fn shr_assign(&mut self, by: i32) {
        *self = self.scaled(-i64::from(by));
    }
}
