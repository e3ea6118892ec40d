"""Scalar functions that neither NumPy nor CUDA's math has, as text for the writers.

A writer puts the functions a kernel needs above it. The text is Python in which
function and type names stand bare (`exp`, `float64`); a dialect puts its own in their
place (`np.exp`, `math.exp`). All but `philox` compute in float64, so that their
literals need no type. Accuracy is that of float64 but for the last few bits; where a
function has a pole or its argument lies outside the domain the result is NaN or an
infinity, never an exception.
"""

HELPERS = {
    "erfcx": '''
def erfcx(x):
    """exp(x*x) * erfc(x). From 25 up by its asymptotic series (DLMF 7.12.1)."""
    if x >= 25.0:
        s = 0.5 / (x * x)
        series = 1.0 - s * (1.0 - 3.0 * s * (1.0 - 5.0 * s * (1.0 - 7.0 * s)))
        return series / (x * 1.7724538509055159)
    if x < -27.0:
        return inf
    near = float64(float32(x))  # its square is exact, so exp gets no rounded argument
    return exp(near * near) * exp((x - near) * (x + near)) * float64(erfc(x))
''',
    "erfinv": '''
def erfinv(x):
    """y with erf(y) = x. Start: Giles 2010, single precision; then Halley steps."""
    size = fabs(x)
    if not size < 1.0:
        return copysign(inf, x) if size == 1.0 else nan
    w = -log((1.0 - size) * (1.0 + size))
    if w < 5.0:
        w = w - 2.5
        p = 2.81022636e-08
        p = 3.43273939e-07 + p * w
        p = -3.5233877e-06 + p * w
        p = -4.39150654e-06 + p * w
        p = 0.00021858087 + p * w
        p = -0.00125372503 + p * w
        p = -0.00417768164 + p * w
        p = 0.246640727 + p * w
        p = 1.50140941 + p * w
    else:
        w = sqrt(w) - 3.0
        p = -0.000200214257
        p = 0.000100950558 + p * w
        p = 0.00134934322 + p * w
        p = -0.00367342844 + p * w
        p = 0.00573950773 + p * w
        p = -0.0076224613 + p * w
        p = 0.00943887047 + p * w
        p = 1.00167406 + p * w
        p = 2.83297682 + p * w
    y = p * size
    for _ in range(2):
        miss = erf(y) - size if size < 0.5 else (1.0 - size) - erfc(y)
        miss = miss * 0.886226925452758 * exp(y * y)
        y = y - miss / (1.0 + y * miss)
    return copysign(y, x)
''',
    "erfcinv": '''
def erfcinv(x):
    """y with erfc(y) = x. Start: Abramowitz and Stegun 26.2.23; then Halley steps."""
    tail = x if x < 1.0 else 2.0 - x
    if not tail > 0.0:
        return (inf if x == 0.0 else -inf) if tail == 0.0 else nan
    t = sqrt(-2.0 * log(tail * 0.5))
    top = 2.515517 + t * (0.802853 + t * 0.010328)
    y = t - top / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
    y = y * 0.7071067811865476
    for _ in range(3):
        miss = (1.0 - tail) - erf(y) if tail > 0.5 else erfc(y) - tail
        miss = miss * -0.886226925452758 * exp(y * y)
        y = y - miss / (1.0 + y * miss)
    return y if x < 1.0 else -y
''',
    "digamma": '''
def digamma(x):
    """Slope of gammaln: reflection, recurrence, series (DLMF 5.5, 5.11.2)."""
    if x == -inf:
        return nan
    if x <= 0.0:
        z = 1.0 - x
        part = fmod(x, 1.0)
        if part == 0.0:
            return -copysign(inf, x) if x == 0.0 else nan
        low = 3.141592653589793 / tan(3.141592653589793 * part)
    else:
        z = x
        low = 0.0
    for _ in range(10):
        low = low + 1.0 / z
        z = z + 1.0
    s = 1.0 / (z * z)
    p = 0.08333333333333333
    p = p * s - 0.021092796092796094
    p = p * s + 0.007575757575757576
    p = p * s - 0.004166666666666667
    p = p * s + 0.003968253968253968
    p = p * s - 0.008333333333333333
    p = p * s + 0.08333333333333333
    return log(z) - 0.5 / z - s * p - low
''',
    "philox": '''
def philox(key, call, index):
    """Two of the four words of Philox4x32-10 (Salmon et al. 2011) as one uint64."""
    low = uint64(0xFFFFFFFF)
    half = uint64(32)
    c0 = index & low
    c1 = index >> half
    c2 = call & low
    c3 = call >> half
    k0 = key & low
    k1 = key >> half
    for _ in range(10):
        p0 = uint64(0xD2511F53) * c0
        p1 = uint64(0xCD9E8D57) * c2
        c0 = (p1 >> half) ^ c1 ^ k0
        c1 = p1 & low
        c2 = (p0 >> half) ^ c3 ^ k1
        c3 = p0 & low
        k0 = (k0 + uint64(0x9E3779B9)) & low
        k1 = (k1 + uint64(0xBB67AE85)) & low
    return c0 | (c1 << half)
''',
}
