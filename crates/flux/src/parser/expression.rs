//! Expressions with operators, from `if` down to calls and members. Chains are read in loops: only brackets recurse.

use std::mem;

use super::{Bracket, Parser};
use crate::ast::{
    BinaryExpression, CallExpression, Comments, ConditionalExpression, Expression, IndexExpression, IntegerLiteral,
    LogicalExpression, LogicalOperator, MemberExpression, ObjectExpression, Operator, PipeExpression, PropertyKey,
    UnaryExpression,
};
use crate::location::Location;
use crate::token::{Token, TokenKind};

/// How many levels an expression inside brackets adds to the tree above it: at most a property, a record, a call.
const LEVELS_OF_BRACKETS: usize = 3;

/// How tightly an operator binds, loosest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Or,
    And,
    /// `not`, `exists`: between `and` and the comparisons.
    Not,
    Comparison,
    Addition,
    Multiplication,
    Power,
    Pipe,
    /// Operands: signs and everything that binds tighter.
    Unary,
}

/// An operator with two operands.
enum Infix {
    Logical(LogicalOperator),
    Binary(Operator),
    Pipe,
}

impl Infix {
    fn of(kind: TokenKind) -> Option<(Level, Infix)> {
        let (level, operator) = match kind {
            TokenKind::Or => return Some((Level::Or, Self::Logical(LogicalOperator::Or))),
            TokenKind::And => return Some((Level::And, Self::Logical(LogicalOperator::And))),
            TokenKind::PipeForward => return Some((Level::Pipe, Self::Pipe)),
            TokenKind::Eq => (Level::Comparison, Operator::Equal),
            TokenKind::Neq => (Level::Comparison, Operator::NotEqual),
            TokenKind::Lte => (Level::Comparison, Operator::LessThanEqual),
            TokenKind::Lt => (Level::Comparison, Operator::LessThan),
            TokenKind::Gte => (Level::Comparison, Operator::GreaterThanEqual),
            TokenKind::Gt => (Level::Comparison, Operator::GreaterThan),
            TokenKind::RegexEq => (Level::Comparison, Operator::RegexpMatch),
            TokenKind::RegexNeq => (Level::Comparison, Operator::NotRegexpMatch),
            TokenKind::Add => (Level::Addition, Operator::Addition),
            TokenKind::Sub => (Level::Addition, Operator::Subtraction),
            TokenKind::Mul => (Level::Multiplication, Operator::Multiplication),
            TokenKind::Div => (Level::Multiplication, Operator::Division),
            TokenKind::Mod => (Level::Multiplication, Operator::Modulo),
            TokenKind::Pow => (Level::Power, Operator::Power),
            _ => return None,
        };
        Some((level, Self::Binary(operator)))
    }
}

impl Level {
    /// The level of the second operand: all operators lean to the left.
    fn tighter(self) -> Self {
        match self {
            Self::Or => Self::And,
            Self::And => Self::Not,
            Self::Not => Self::Comparison,
            Self::Comparison => Self::Addition,
            Self::Addition => Self::Multiplication,
            Self::Multiplication => Self::Power,
            Self::Power => Self::Pipe,
            Self::Pipe | Self::Unary => Self::Unary,
        }
    }
}

/// `if test then consequent else`, before its alternate is read.
struct Branch {
    start: Token,
    test: Expression,
    then: Token,
    consequent: Expression,
    otherwise: Token,
}

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Expression {
        if !self.enter() {
            let location = self.peek().location();
            return self.bad_expression(location, "");
        }
        let outside = mem::take(&mut self.height);
        let expression = if self.peek().kind == TokenKind::If { self.conditional() } else { self.operation(Level::Or) };
        self.grow(LEVELS_OF_BRACKETS);
        self.height = self.height.max(outside);
        self.leave();
        expression
    }

    /// `else if` is read in a loop and put together from its end.
    fn conditional(&mut self) -> Expression {
        let mut branches = vec![self.branch()];
        let mut alternate = loop {
            let placeholder = match branches.last() {
                Some(branch) if branch.otherwise.kind != TokenKind::Else => Some(branch.otherwise.location()),
                _ => None,
            };
            if let Some(location) = placeholder {
                break self.bad_expression(location, "");
            }
            if self.peek().kind != TokenKind::If {
                break self.expression();
            }
            branches.push(self.branch());
        };
        while let Some(branch) = branches.pop() {
            if self.gave_up {
                break;
            }
            self.grow(1);
            alternate = Expression::Conditional(Box::new(ConditionalExpression {
                meta: self.meta(branch.start.start, alternate.location().end),
                tk_if: self.comments(&branch.start),
                test: branch.test,
                tk_then: self.comments(&branch.then),
                consequent: branch.consequent,
                tk_else: self.comments(&branch.otherwise),
                alternate,
            }));
        }
        alternate
    }

    fn branch(&mut self) -> Branch {
        let start = self.scan();
        let test = self.expression();
        let then = self.expect_or_keep(TokenKind::Then);
        let consequent = match then.kind {
            TokenKind::Then => self.expression(),
            _ => self.bad_expression(then.location(), ""),
        };
        let otherwise = self.expect_or_keep(TokenKind::Else);
        Branch { start, test, then, consequent, otherwise }
    }

    /// What may follow a name that was read already.
    pub(super) fn suffixes(&mut self, expression: Expression) -> Expression {
        let outside = mem::take(&mut self.height);
        let expression = self.postfix_suffixes(expression);
        let expression = self.operators(expression, Level::Or);
        self.height = self.height.max(outside);
        expression
    }

    fn operation(&mut self, loosest: Level) -> Expression {
        let left = if loosest <= Level::Not { self.negation() } else { self.unary() };
        self.operators(left, loosest)
    }

    /// Operators of this level and tighter, behind their first operand.
    fn operators(&mut self, mut left: Expression, loosest: Level) -> Expression {
        loop {
            let token = self.peek();
            let Some((level, infix)) = Infix::of(token.kind).filter(|(level, _)| *level >= loosest) else {
                return left;
            };
            self.scan();
            let left_height = mem::take(&mut self.height);
            let right = self.operation(level.tighter());
            self.height = self.height.max(left_height);
            self.grow(1);
            left = match infix {
                Infix::Pipe => self.pipe(left, &token, right),
                Infix::Logical(operator) => {
                    let meta = self.meta_with_comments(left.location().start, right.location().end, &token);
                    Expression::Logical(Box::new(LogicalExpression { meta, operator, left, right }))
                }
                Infix::Binary(operator) => {
                    let meta = self.meta_with_comments(left.location().start, right.location().end, &token);
                    Expression::Binary(Box::new(BinaryExpression { meta, operator, left, right }))
                }
            };
        }
    }

    fn pipe(&mut self, argument: Expression, token: &Token, right: Expression) -> Expression {
        let call = match right {
            Expression::Call(call) => *call,
            callee => {
                self.error("pipe destination must be a function call");
                let Location { start, end } = callee.location();
                CallExpression { meta: self.meta(start, end), callee, ..CallExpression::default() }
            }
        };
        let meta = self.meta_with_comments(argument.location().start, call.meta.location.end, token);
        Expression::PipeForward(Box::new(PipeExpression { meta, argument, call }))
    }

    /// `not` and `exists`, which take a comparison.
    fn negation(&mut self) -> Expression {
        let mut operators = Vec::new();
        loop {
            let token = self.peek();
            let operator = match token.kind {
                TokenKind::Not => Operator::Not,
                TokenKind::Exists => Operator::Exists,
                _ => break,
            };
            self.scan();
            operators.push((token, operator));
        }
        let argument = self.operation(Level::Comparison);
        self.prefixed(operators, argument)
    }

    /// Signs, which bind tighter than everything but postfixes.
    fn unary(&mut self) -> Expression {
        let mut operators = Vec::new();
        loop {
            let token = self.peek();
            let operator = match token.kind {
                TokenKind::Add => Operator::Addition,
                TokenKind::Sub => Operator::Subtraction,
                _ => break,
            };
            self.scan();
            operators.push((token, operator));
        }
        let argument = self.primary();
        let argument = self.postfix_suffixes(argument);
        self.prefixed(operators, argument)
    }

    fn prefixed(&mut self, operators: Vec<(Token, Operator)>, mut argument: Expression) -> Expression {
        for (token, operator) in operators.into_iter().rev() {
            if self.gave_up {
                break;
            }
            self.grow(1);
            let meta = self.meta_with_comments(token.start, argument.location().end, &token);
            argument = Expression::Unary(Box::new(UnaryExpression { meta, operator, argument }));
        }
        argument
    }

    fn postfix_suffixes(&mut self, mut expression: Expression) -> Expression {
        loop {
            expression = match self.peek().kind {
                TokenKind::Dot => self.member(expression),
                TokenKind::LParen => self.call(expression),
                TokenKind::LBrack => self.index(expression),
                _ => return expression,
            };
            self.grow(1);
        }
    }

    fn member(&mut self, object: Expression) -> Expression {
        let dot = self.scan();
        let property = self.identifier();
        let meta = self.meta(object.location().start, property.meta.location.end);
        let lbrack = self.comments(&dot);
        let property = PropertyKey::Identifier(property);
        Expression::Member(Box::new(MemberExpression { meta, object, lbrack, property, rbrack: Comments::default() }))
    }

    fn call(&mut self, callee: Expression) -> Expression {
        let start = self.open(Bracket::Paren);
        let properties = self.properties();
        let end = self.close(Bracket::Paren);
        let meta = self.meta(callee.location().start, end.end);
        let mut arguments = Vec::new();
        if let (Some(first), Some(last)) = (properties.first(), properties.last()) {
            let meta = self.meta(first.meta.location.start, last.meta.location.end);
            let record = ObjectExpression { meta, properties, ..ObjectExpression::default() };
            arguments.push(Expression::Object(Box::new(record)));
        }
        let (lparen, rparen) = (self.comments(&start), self.comments(&end));
        Expression::Call(Box::new(CallExpression { meta, callee, lparen, arguments, rparen }))
    }

    /// `a["b"]` is a member, any other index an element.
    fn index(&mut self, array: Expression) -> Expression {
        let start = self.open(Bracket::Square);
        let index = self.expressions_until(&[]);
        let end = self.close(Bracket::Square);
        if index.is_none() {
            self.error("no expression included in brackets");
        }
        let meta = self.meta(array.location().start, end.end);
        let (lbrack, rbrack) = (self.comments(&start), self.comments(&end));
        match index {
            Some(Expression::String(property)) => Expression::Member(Box::new(MemberExpression {
                meta,
                object: array,
                lbrack,
                property: PropertyKey::String(property),
                rbrack,
            })),
            Some(index) => Expression::Index(Box::new(IndexExpression { meta, array, lbrack, index, rbrack })),
            None => {
                let index = IntegerLiteral { meta: self.meta(start.start, end.end), value: -1 };
                let index = Expression::Integer(index);
                Expression::Index(Box::new(IndexExpression { meta, array, lbrack, index, rbrack }))
            }
        }
    }

    /// Expressions up to one of these tokens or a closing bracket. There should be one; more are joined by an
    /// operator that is none.
    pub(super) fn expressions_until(&mut self, stops: &[TokenKind]) -> Option<Expression> {
        let mut joined = None;
        while !stops.contains(&self.peek().kind) && self.more() {
            let next = self.expression();
            if matches!(next, Expression::Bad(_)) {
                self.skip_invalid_token();
                continue;
            }
            joined = Some(match joined {
                Some(left) => self.joined(left, next),
                None => next,
            });
        }
        joined
    }

    /// Two expressions without an operator between them.
    pub(super) fn joined(&mut self, left: Expression, right: Expression) -> Expression {
        self.grow(1);
        let meta = self.meta(left.location().start, right.location().end);
        Expression::Binary(Box::new(BinaryExpression { meta, operator: Operator::Invalid, left, right }))
    }

    /// Takes a token that starts no expression.
    pub(super) fn skip_invalid_token(&mut self) {
        let token = self.scan();
        let message = format!("invalid expression @{}: {}", token.location(), self.text(&token));
        self.error(message);
    }
}
