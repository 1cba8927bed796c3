# ruff: noqa: SIM109 - `in` would search a tuple for each byte
"""Reading bytes: each primitive twice, once by pointer and once, for the plain build, by checked index.

A caller of the pointer variants must know that what it reads lies inside the buffer. Words are little-endian.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from streams.kernel.jit import PLAIN, i64, inner, numba, types, u64

#: Bytes that `special_bits` and `high_bits` look at.
STRIDE = 32

_BYTE_BITS = np.uint64(8)
_HALF_BITS = np.uint64(32)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)
_QUOTE, _BACKSLASH, _SPACE, _ASCII_END = 0x22, 0x5C, 0x20, 0x80

# ---- by checked index ---------------------------------------------------------------------------------


@inner
def _plain_byte_at(buf: Any, i: int) -> Any:
    return i64(buf[u64(i)])  # as uint64, a negative index is no index from the end


@inner
def _plain_word_at(buf: Any, i: int) -> Any:
    word = u64(0)
    for k in range(7, -1, -1):
        word = (word << _BYTE_BITS) | u64(buf[u64(i + k)])
    return word


@inner
def _plain_special_bits(buf: Any, i: int) -> Any:
    bits = u64(0)
    for k in range(STRIDE):
        byte = buf[u64(i + k)]
        if byte == _QUOTE or byte == _BACKSLASH or byte < _SPACE:
            bits |= _ONE << u64(k)
    return bits


@inner
def _plain_high_bits(buf: Any, i: int) -> Any:
    bits = u64(0)
    for k in range(STRIDE):
        if buf[u64(i + k)] >= _ASCII_END:
            bits |= _ONE << u64(k)
    return bits


@inner
def _plain_lowest(bits: Any) -> Any:
    k = i64(0)
    while bits & _ONE == u64(0):
        bits >>= _ONE
        k += 1
    return k


@inner
def _plain_folded(a: Any, b: Any) -> Any:
    a_low, a_high, b_low, b_high = a & _LOW_HALF, a >> _HALF_BITS, b & _LOW_HALF, b >> _HALF_BITS
    low, mid, other = a_low * b_low, a_high * b_low, a_low * b_high
    carry = (low >> _HALF_BITS) + (mid & _LOW_HALF) + (other & _LOW_HALF)
    high = a_high * b_high + (mid >> _HALF_BITS) + (other >> _HALF_BITS) + (carry >> _HALF_BITS)
    return (a * b) ^ high


@inner
def _plain_prefetch(array: Any, i: int) -> None:
    pass


# ---- by pointer ---------------------------------------------------------------------------------------

_intrinsic: Any = numba.extending.intrinsic
_ir: Any = __import__("llvmlite.ir", fromlist=["ir"])


def _pointer(context: Any, builder: Any, signature: Any, args: Any, to: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.bitcast(builder.gep(array.data, [args[1]]), to.as_pointer())


def _loader(made: Any, kind: Any, finish: Any) -> Any:
    def typing(_: Any, buf: Any, i: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            value = builder.load(_pointer(context, builder, signature, args, kind), align=1)
            return finish(builder, value)

        return made(buf, types.int64), generate

    return _intrinsic(typing)


def _vector(byte: int) -> Any:
    return _ir.Constant(_VECTOR, [byte] * STRIDE)


def _bits(builder: Any, found: Any) -> Any:
    return builder.zext(builder.bitcast(found, _ir.IntType(STRIDE)), _I64)


def _special(builder: Any, value: Any) -> Any:
    found = builder.or_(
        builder.icmp_unsigned("==", value, _vector(_QUOTE)), builder.icmp_unsigned("==", value, _vector(_BACKSLASH))
    )
    return _bits(builder, builder.or_(found, builder.icmp_unsigned("<", value, _vector(_SPACE))))


def _high(builder: Any, value: Any) -> Any:
    return _bits(builder, builder.icmp_unsigned(">=", value, _vector(_ASCII_END)))


def _lowest(_: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], _ir.Constant(_ir.IntType(1), 1))

    return types.int64(types.uint64), generate


def _folded(_: Any, a: Any, b: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = _ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        high = builder.lshr(product, _ir.Constant(wide, 64))
        return builder.trunc(builder.xor(product, high), _I64)

    return types.uint64(types.uint64, types.uint64), generate


def _prefetch(_: Any, array: Any, i: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature, args, _I8)
        i32 = _ir.IntType(32)
        kind = _ir.FunctionType(_ir.VoidType(), [_I8.as_pointer(), i32, i32, i32])
        function = numba.core.cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        for_writing, keep, data = (_ir.Constant(i32, n) for n in (1, 3, 1))
        builder.call(function, [pointer, for_writing, keep, data])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


_I8, _I64 = _ir.IntType(8), _ir.IntType(64)
_VECTOR = _ir.VectorType(_I8, STRIDE)

# ---- which of them ------------------------------------------------------------------------------------

#: (buf, i) -> the byte at i, as int64.
byte_at: Any
#: (buf, i) -> the eight bytes from i on, as uint64.
word_at: Any
#: (buf, i) -> of the STRIDE bytes from i on, bit k set where byte k is a quote, a backslash or a control character.
special_bits: Any
#: (buf, i) -> of the STRIDE bytes from i on, bit k set where byte k is not ASCII.
high_bits: Any
#: (bits) -> the number of the lowest bit that is set; there must be one.
lowest: Any
#: (a, b) -> both halves of the 128-bit product of two uint64, folded into one.
folded: Any
#: (array, i) -> nothing; the element will be wanted soon.
prefetch: Any

if PLAIN or sys.byteorder != "little":
    byte_at, word_at, special_bits, high_bits = _plain_byte_at, _plain_word_at, _plain_special_bits, _plain_high_bits
    lowest, folded, prefetch = _plain_lowest, _plain_folded, _plain_prefetch
else:
    byte_at = _loader(types.int64, _I8, lambda builder, value: builder.zext(value, _I64))
    word_at = _loader(types.uint64, _I64, lambda builder, value: value)
    special_bits = _loader(types.uint64, _VECTOR, _special)
    high_bits = _loader(types.uint64, _VECTOR, _high)
    lowest, folded, prefetch = _intrinsic(_lowest), _intrinsic(_folded), _intrinsic(_prefetch)
