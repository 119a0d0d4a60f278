/* Is the compressed part of a JPEG what its headers announce?
 *
 * check(data): None, or one sentence about what is wrong. Every Huffman code is followed, no pixel is computed. Each scan
 * has to end with its last block: no bits missing, fewer than eight left. Coefficients have to be such as pixels of
 * eight bits can have, and no block may consist of zero bits, which is what an unwritten part of a file looks like.
 * Baseline, extended and progressive JPEGs of eight bits are followed (ITU-T T.81, F.2 and G.2); others, and those that
 * rely on tables of their reader, are answered with None.
 *
 * Most of the time goes into AC coefficients. A table of twelve bits says at once how many bits and coefficients the
 * whole symbols within them take, often two or three. Tables are kept from image to image, since most encoders use the
 * same ones; the GIL guards them.
 */
#define Py_LIMITED_API 0x030A0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BITS 12
#define WINDOWS (1 << BITS)
#define SLOTS 32
#define END_OF_BLOCK 64
#define LARGEST 2048                                /* twice what the transform of -128..127 can reach, for any rounding */
#define ZEROS 96                                    /* bits, in one block, that no encoder writes as zeros */
#define BEYOND 512                                  /* bytes of a block that may be read behind the last one */
#define NO_CODE "it holds a code that its tables lack"
#define TOO_LONG "a block has more than 64 coefficients"
#define TOO_SHORT "its pixels end before the image is complete"
#define LEFT_OVER "bytes are left over behind the last pixel"
#define RESTART "a restart marker is missing or out of order"
#define RANGE "its coefficients are larger than any pixels give"
#define BLANK "a part of it is filled with zeros"
#define SEGMENT "its segments are damaged"
#define UNKNOWN ""                                  /* a kind that is not followed: neither good nor bad */

/* What a window takes: bits, coefficients, and whether the block ends with it. */
typedef struct { uint8_t bits, last; uint16_t advance; } step;

typedef struct {
    uint8_t counts[16], symbols[256], size, is_ac;
    uint64_t used;                                  /* when it was last asked for */
    step one[WINDOWS], many[WINDOWS];               /* one symbol, all whole symbols; 0 bits: the code is longer */
    uint8_t code_bits[WINDOWS], symbol[WINDOWS];
    int32_t first[17], end[17], at[17];             /* codes of each length, and where their symbols begin */
} table;

typedef struct { uint8_t defined, counts[16], symbols[256], size; } spec;

typedef struct { const uint8_t *at, *end; uint64_t bits; int have; } reader; /* zeros follow the end */

typedef struct { int id, h, v, quantiser, dc, blocks_wide, blocks_high; uint64_t *nonzero; } component;

static table slots[SLOTS];
static uint64_t now;

static int first_symbol(const table *t, uint32_t window16, int *symbol) {   /* bits of the code, 0 where there is none */
    for (int n = 1; n <= 16; n++) {
        int32_t code = (int32_t)(window16 >> (16 - n));
        if (code < t->end[n] && code >= t->first[n]) { *symbol = t->symbols[t->at[n] + code - t->first[n]]; return n; }
    }
    return 0;
}

static int build(table *t, const spec *s, int is_ac) {
    int32_t code = 0, at = 0;
    memset(t, 0, sizeof *t);
    memcpy(t->counts, s->counts, 16);
    memcpy(t->symbols, s->symbols, 256);
    t->size = s->size; t->is_ac = (uint8_t)is_ac;
    for (int n = 1; n <= 16; n++) {
        t->first[n] = code; t->at[n] = at;
        code += s->counts[n - 1]; at += s->counts[n - 1];
        t->end[n] = code;
        if (code > 1 << n) return 0;
        code <<= 1;
    }
    for (int w = 0; w < WINDOWS; w++) {
        int symbol = 0, n = first_symbol(t, (uint32_t)w << (16 - BITS), &symbol);
        if (n == 0 || n > BITS) continue;
        int run = symbol >> 4, bits = symbol & 15, ends = is_ac && bits == 0 && run < 15;
        t->code_bits[w] = (uint8_t)n;
        t->symbol[w] = (uint8_t)symbol;
        if (bits >= 6) continue;                    /* large coefficients are looked at one by one */
        t->one[w].bits = (uint8_t)(n + bits);
        t->one[w].advance = (uint16_t)(ends ? 0 : run + 1);
        t->one[w].last = (uint8_t)ends;
    }
    for (int w = 0; is_ac && w < WINDOWS; w++) {
        step all = t->one[w];
        while (all.bits && all.bits < BITS && !all.last) {
            step more = t->one[(w << all.bits) & (WINDOWS - 1)];
            if (!more.bits || all.bits + more.bits > BITS) break;
            all.bits = (uint8_t)(all.bits + more.bits);
            all.advance = (uint16_t)(all.advance + more.advance);
            all.last = more.last;
        }
        t->many[w] = all;
    }
    return 1;
}

static const table *find_table(const spec *s, int is_ac) {
    table *oldest = slots;
    for (table *t = slots; t < slots + SLOTS; t++) {
        if (t->size && t->size == s->size && t->is_ac == is_ac && !memcmp(t->counts, s->counts, 16)
            && !memcmp(t->symbols, s->symbols, s->size)) {
            t->used = ++now;
            return t;
        }
        if (t->used < oldest->used) oldest = t;
    }
    if (build(oldest, s, is_ac)) {
        oldest->used = ++now;
        return oldest;
    }
    oldest->size = 0;
    return NULL;
}

static inline void refill(reader *r) {             /* at least 56 bits */
    uint64_t more = (uint64_t)r->at[0] << 56 | (uint64_t)r->at[1] << 48 | (uint64_t)r->at[2] << 40 | (uint64_t)r->at[3] << 32
                  | (uint64_t)r->at[4] << 24 | (uint64_t)r->at[5] << 16 | (uint64_t)r->at[6] << 8 | (uint64_t)r->at[7];
    r->bits |= more >> r->have;
    r->at += (63 - r->have) >> 3;
    r->have |= 56;
}

static inline void skip(reader *r, int n) { r->bits <<= n; r->have -= n; }
static inline uint32_t peek(const reader *r, int n) { return (uint32_t)(r->bits >> (64 - n)); }
static inline int64_t left(const reader *r) { return (r->end - r->at) * 8 + r->have; }

static inline int next_symbol(reader *r, const table *t) { /* -1 where there is none */
    refill(r);
    uint32_t window = peek(r, BITS);
    int n = t->code_bits[window], symbol = t->symbol[window];
    if (!n) n = first_symbol(t, peek(r, 16), &symbol);
    if (!n) return -1;
    skip(r, n);
    return symbol;
}

static inline int signed_value(reader *r, int n) {  /* T.81, F.2.2.1, EXTEND */
    if (!n) return 0;
    int value = (int)peek(r, n);
    skip(r, n);
    return value < 1 << (n - 1) ? value - (1 << n) + 1 : value;
}

static inline const char *dc(reader *r, const table *t, component *c, int step_size) {
    int symbol = next_symbol(r, t);
    if (symbol < 0 || symbol > 15) return NO_CODE;
    c->dc += signed_value(r, symbol);
    if (abs(c->dc) > (LARGEST + step_size) / step_size) return RANGE;
    return NULL;
}

static const char *large_step(reader *r, const table *t, int k, const uint16_t *q, step *s) { /* one symbol, however long */
    refill(r);
    int symbol = next_symbol(r, t);
    if (symbol < 0) return NO_CODE;
    int bits = symbol & 15, run = symbol >> 4, at = k + run;
    s->bits = (uint8_t)bits;
    s->last = !bits && run < 15;
    s->advance = (uint16_t)(s->last ? 0 : run + 1);
    if (bits && at < END_OF_BLOCK && 1 << (bits - 1) > (LARGEST + q[at]) / q[at]) return RANGE;
    return NULL;
}

static const char *sequential_block(reader *from, const table *dc_table, const table *ac_table, component *c, const uint16_t *q) {
    reader r = *from;                               /* a copy stays in registers */
    const char *wrong = dc(&r, dc_table, c, q[0]);
    int zeros = 0;
    for (int k = 1; k < END_OF_BLOCK && !wrong;) {
        step s = {0, 0, 0};
        refill(&r);
        for (int steps = 0; steps < 3 && k < END_OF_BLOCK; steps++) {   /* 17 bits each at most */
            uint32_t window = peek(&r, BITS);
            s = ac_table->many[window];
            if (!s.bits || k + s.advance + s.last > END_OF_BLOCK) {
                wrong = large_step(&r, ac_table, k, q, &s);
                steps = 3;
            }
            zeros = window || s.last ? 0 : zeros + s.bits;
            skip(&r, s.bits);
            k += s.advance;
            if (s.last) break;
        }
        if (zeros >= ZEROS) wrong = BLANK;
        if (k > END_OF_BLOCK) wrong = TOO_LONG;
        if (s.last) break;
    }
    *from = r;
    return wrong;
}

static int run_length(reader *r, int n) {           /* how many blocks end here, this one included */
    int run = (1 << n) + (n ? (int)peek(r, n) : 0);
    skip(r, n);
    return run;
}

static const char *first_ac(reader *r, const table *t, int k, int last, int *ended, uint64_t *nonzero) {
    if (*ended) { --*ended; return NULL; }
    while (k <= last) {
        int symbol = next_symbol(r, t);
        if (symbol < 0) return NO_CODE;
        int run = symbol >> 4, bits = symbol & 15;
        if (!bits && run < 15) { *ended = run_length(r, run) - 1; return NULL; }
        k += run;
        if (k > last) return TOO_LONG;
        skip(r, bits);
        if (bits) *nonzero |= (uint64_t)1 << k;
        k++;
    }
    return NULL;
}

static inline void correct(reader *r) { refill(r); skip(r, 1); }

static const char *refined_ac(reader *r, const table *t, int k, int last, int *ended, uint64_t *nonzero) {
    while (!*ended && k <= last) {
        int symbol = next_symbol(r, t);
        if (symbol < 0) return NO_CODE;
        int run = symbol >> 4, bits = symbol & 15;
        if (bits > 1) return NO_CODE;
        if (!bits && run < 15) { *ended = run_length(r, run); break; }
        if (bits) correct(r);
        for (; k <= last; k++) {
            if (*nonzero >> k & 1) correct(r);
            else if (run-- == 0) break;
        }
        if (k > last && bits) return TOO_LONG;
        if (bits) *nonzero |= (uint64_t)1 << k;
        k++;
    }
    if (*ended) {
        for (; k <= last; k++) if (*nonzero >> k & 1) correct(r);
        --*ended;
    }
    return NULL;
}

typedef struct {
    const uint8_t *at, *end;
    int width, height, progressive, components, largest_h, largest_v, interval;
    component c[4];
    spec specs[2][4];
    uint16_t quantisers[4][64];                     /* 1 where none is defined: then nothing is out of range */
    uint8_t *unstuffed;
} image;

typedef struct { int n, which[4], first, last, high, low; const table *dc[4], *ac[4]; } scan;

static const char *unit(reader *r, image *m, const scan *s, int i, int64_t block, int *ended) {
    component *c = m->c + s->which[i];
    const uint16_t *q = m->quantisers[c->quantiser];
    if (!m->progressive) return sequential_block(r, s->dc[i], s->ac[i], c, q);
    if (s->first == 0) {
        if (!s->high) return dc(r, s->dc[i], c, q[0] << s->low);
        correct(r);
        return NULL;
    }
    return (s->high ? refined_ac : first_ac)(r, s->ac[i], s->first, s->last, ended, c->nonzero + block);
}

static reader open_part(image *m) {                 /* up to the next marker, without the zeros behind 0xff, with zeros at the end */
    uint8_t *out = m->unstuffed;
    while (m->at < m->end) {
        const uint8_t *stop = memchr(m->at, 0xff, (size_t)(m->end - m->at));
        size_t n = (size_t)((stop ? stop : m->end) - m->at);
        memcpy(out, m->at, n);
        out += n;
        m->at += n;
        if (!stop || m->end - stop < 2 || stop[1]) break;
        *out++ = 0xff;
        m->at += 2;
    }
    memset(out, 0, BEYOND);
    for (int i = 0; i < 4; i++) m->c[i].dc = 0;
    return (reader){m->unstuffed, out, 0, 0};
}

static const char *finish(const reader *r, int ended) { /* no bits missing, fewer than eight left */
    if (left(r) < 0) return TOO_SHORT;
    return ended || left(r) > 7 ? LEFT_OVER : NULL;
}

static const char *follow(image *m, const scan *s) {
    int ended = 0, restarts = 0, alone = s->n == 1;
    component *only = m->c + s->which[0];
    int64_t wide = alone ? only->blocks_wide : (m->width + 8 * m->largest_h - 1) / (8 * m->largest_h);
    int64_t high = alone ? only->blocks_high : (m->height + 8 * m->largest_v - 1) / (8 * m->largest_v);
    reader r = open_part(m);
    for (int64_t unit_at = 0; unit_at < wide * high; unit_at++) {
        const char *wrong = NULL;
        if (m->interval && unit_at && unit_at % m->interval == 0) {
            if ((wrong = finish(&r, ended))) return wrong;
            while (m->end - m->at > 2 && m->at[0] == 0xff && m->at[1] == 0xff) m->at++;
            if (m->end - m->at < 2 || m->at[0] != 0xff || m->at[1] != 0xd0 + (restarts++ & 7)) return RESTART;
            m->at += 2;
            r = open_part(m);
        }
        for (int i = 0; i < s->n && !wrong; i++) {
            int blocks = alone ? 1 : m->c[s->which[i]].h * m->c[s->which[i]].v;
            for (int b = 0; b < blocks && !wrong; b++) {
                wrong = unit(&r, m, s, i, alone ? unit_at : 0, &ended);
                if (left(&r) < 0) return TOO_SHORT;
            }
        }
        if (wrong) return wrong;
    }
    return finish(&r, ended);
}

static const char *read_frame(image *m, const uint8_t *p, int length, int progressive) {
    if (length < 6 || p[0] != 8) return UNKNOWN;
    m->progressive = progressive;
    m->height = p[1] << 8 | p[2]; m->width = p[3] << 8 | p[4];
    if (m->components) return SEGMENT;
    m->components = p[5];
    if (m->components < 1 || m->components > 4 || length < 6 + 3 * m->components || !m->width || !m->height) return SEGMENT;
    if ((int64_t)m->width * m->height > 1 << 28) return UNKNOWN;
    for (int i = 0; i < m->components; i++) {
        component *c = m->c + i;
        c->id = p[6 + 3 * i]; c->h = p[7 + 3 * i] >> 4; c->v = p[7 + 3 * i] & 15;
        c->quantiser = p[8 + 3 * i] & 3;
        if (c->h < 1 || c->h > 4 || c->v < 1 || c->v > 4) return SEGMENT;
        if (c->h > m->largest_h) m->largest_h = c->h;
        if (c->v > m->largest_v) m->largest_v = c->v;
    }
    for (int i = 0; i < m->components; i++) {
        component *c = m->c + i;
        int64_t wide = ((int64_t)m->width * c->h + m->largest_h - 1) / m->largest_h;
        int64_t high = ((int64_t)m->height * c->v + m->largest_v - 1) / m->largest_v;
        c->blocks_wide = (int)((wide + 7) / 8); c->blocks_high = (int)((high + 7) / 8);
        if (progressive && !(c->nonzero = calloc((size_t)c->blocks_wide * c->blocks_high, 8))) return UNKNOWN;
    }
    return NULL;
}

static const char *read_tables(image *m, const uint8_t *p, int length) {
    while (length >= 17) {
        int n = 0, is_ac = p[0] >> 4, id = p[0] & 15;
        for (int i = 1; i <= 16; i++) n += p[i];
        if (is_ac > 1 || id > 3 || n > 255 || length < 17 + n) return SEGMENT;
        spec *s = &m->specs[is_ac][id];
        memset(s, 0, sizeof *s);
        s->defined = 1;
        s->size = (uint8_t)n;
        memcpy(s->counts, p + 1, 16);
        memcpy(s->symbols, p + 17, (size_t)n);
        p += 17 + n; length -= 17 + n;
    }
    return length ? SEGMENT : NULL;
}

static const char *read_quantisers(image *m, const uint8_t *p, int length) {
    while (length >= 65) {
        int wide = p[0] >> 4, size = 1 + (wide ? 128 : 64);
        if (wide > 1 || (p[0] & 15) > 3 || length < size) return SEGMENT;
        for (int k = 0; k < 64; k++) {
            int value = wide ? p[1 + 2 * k] << 8 | p[2 + 2 * k] : p[1 + k];
            m->quantisers[p[0] & 3][k] = (uint16_t)(value ? value : 1);
        }
        p += size; length -= size;
    }
    return length ? SEGMENT : NULL;
}

static const char *read_scan(image *m, const uint8_t *p, int length) {
    scan s = {0};
    if (length < 1 || !m->components) return SEGMENT;
    s.n = p[0];
    if (s.n < 1 || s.n > m->components || length < 4 + 2 * s.n) return SEGMENT;
    const uint8_t *tail = p + 1 + 2 * s.n;
    s.first = tail[0]; s.last = tail[1]; s.high = tail[2] >> 4; s.low = tail[2] & 15;
    if (!m->progressive) { s.first = 0; s.last = 63; s.high = s.low = 0; }
    if (s.last > 63 || s.first > s.last || (s.first && s.n > 1)) return SEGMENT;
    for (int i = 0; i < s.n; i++) {
        int id = p[1 + 2 * i], tables = p[2 + 2 * i], found = -1;
        for (int c = 0; c < m->components; c++) if (m->c[c].id == id) found = c;
        if (found < 0 || (tables & 15) > 3 || tables >> 4 > 3) return SEGMENT;
        s.which[i] = found;
        const spec *dc_spec = &m->specs[0][tables >> 4], *ac_spec = &m->specs[1][tables & 15];
        int needs_dc = !m->progressive || (!s.first && !s.high), needs_ac = !m->progressive || s.first;
        if ((needs_dc && !dc_spec->defined) || (needs_ac && !ac_spec->defined)) return UNKNOWN;
        if (needs_dc && !(s.dc[i] = find_table(dc_spec, 0))) return SEGMENT;
        if (needs_ac && !(s.ac[i] = find_table(ac_spec, 1))) return SEGMENT;
    }
    return follow(m, &s);
}

static const char *check_image(image *m) {
    int scans = 0;
    for (;;) {
        const char *wrong = NULL;
        if (m->end - m->at < 2) return TOO_SHORT;
        if (*m->at != 0xff) return scans ? LEFT_OVER : SEGMENT;
        int marker = m->at[1];
        if (marker == 0xff) { m->at++; continue; }
        m->at += 2;
        if (marker == 0xd9) return scans ? NULL : SEGMENT;
        if (marker == 0x01) continue;
        if (marker >= 0xd0 && marker <= 0xd7) return RESTART;
        if (m->end - m->at < 2) return TOO_SHORT;
        int length = (m->at[0] << 8 | m->at[1]) - 2;
        if (length < 0 || m->end - m->at < length + 2) return SEGMENT;
        const uint8_t *body = m->at + 2;
        m->at = body + length;
        if (marker == 0xdb) wrong = read_quantisers(m, body, length);
        else if (marker == 0xc4) wrong = read_tables(m, body, length);
        else if (marker >= 0xc0 && marker <= 0xc2) wrong = read_frame(m, body, length, marker == 0xc2);
        else if (marker >= 0xc3 && marker <= 0xcf && marker != 0xc8) return UNKNOWN;
        else if (marker == 0xdd && length == 2) m->interval = body[0] << 8 | body[1];
        else if (marker == 0xda) { wrong = read_scan(m, body, length); scans++; }
        if (wrong) return wrong;
    }
}

static PyObject *check(PyObject *self, PyObject *data) {
    (void)self;
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(data, &bytes, &size)) return NULL;
    image *m = calloc(1, sizeof *m);
    if (!m) return PyErr_NoMemory();
    m->at = (const uint8_t *)bytes; m->end = m->at + size;
    m->unstuffed = malloc((size_t)size + BEYOND);
    if (!m->unstuffed) { free(m); return PyErr_NoMemory(); }
    for (int i = 0; i < 4; i++) for (int k = 0; k < 64; k++) m->quantisers[i][k] = 1;
    const char *wrong = SEGMENT;
    if (size > 2 && m->at[0] == 0xff && m->at[1] == 0xd8) { m->at += 2; wrong = check_image(m); }
    for (int i = 0; i < 4; i++) free(m->c[i].nonzero);
    free(m->unstuffed);
    free(m);
    if (!wrong || !*wrong) Py_RETURN_NONE;
    return PyUnicode_FromString(wrong);
}

static PyMethodDef methods[] = {
    {"check", check, METH_O, "check(data): what is wrong with the compressed part of a JPEG, or None"},
    {NULL, NULL, 0, NULL}
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "jpeg", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_jpeg(void) { return PyModule_Create(&module); }
