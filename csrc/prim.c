/* Prim's algorithm on dense distance matrices, with the edges ordered by (distance, u, v), u < v.
 *
 * pairs(address, matrices, n, is_double, out, check, lengths): the spanning trees of `matrices` contiguous n x n matrices
 * at `address`, as int64 (n-1, 2) each, in filtration order, written to `out`, and the distances of their edges to
 * `lengths`, unless that is 0. With `check`, each matrix is first found to be finite and symmetric; where one is not, the
 * answer is False and `out` unfinished. Who owns the memory is the business of the Python side. The GIL is released
 * meanwhile.
 *
 * One pass over a row of the matrix updates each vertex's best edge into the tree and finds the shortest of each lane. A
 * vertex in the tree has the best length NaN: no comparison is true for it. The parent of a vertex is kept as a float
 * of the matrix' own width, so that the pass is one stream of equally wide lanes and any compiler vectorises it.
 */
#define Py_LIMITED_API 0x030A0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif
#define LANES 16
#define FEW 256
#define TILE 32
#define BLOCK 128
#if defined(__GNUC__)
#define FETCH(address) __builtin_prefetch(address)
#else
#define FETCH(address) ((void)0)
#endif

#define FOR_TYPE(T, LARGEST, ABS, NAME)                                                                                         \
                                                                                                                                \
typedef struct { T length; int64_t u, v; } NAME##_edge;                                                                         \
                                                                                                                                \
static int NAME##_order(const void *left, const void *right) {                                                                  \
    const NAME##_edge *a = left, *b = right;                                                                                    \
    if (a->length != b->length) return a->length < b->length ? -1 : 1;                                                          \
    if (a->u != b->u) return a->u < b->u ? -1 : 1;                                                                              \
    return (a->v > b->v) - (a->v < b->v);                                                                                       \
}                                                                                                                               \
                                                                                                                                \
/* Take the edges of vertex k into account; the shortest length left in each lane. Of equally long edges of one vertex */       \
/* the one to the lower parent comes first in the order (u, v). */                                                              \
WIDE static void NAME##_relax(const T *restrict row, T *restrict best, T *restrict parent, T *restrict shortest, T k, int64_t n) {\
    T low[LANES];                                                                                                               \
    int64_t j = 0;                                                                                                              \
    for (int l = 0; l < LANES; l++) low[l] = (T)INFINITY;                                                                       \
    for (; j + LANES <= n; j += LANES) {                                                                                        \
        const T *restrict r = row + j;                                                                                          \
        T *restrict b = best + j, *restrict p = parent + j;                                                                     \
        for (int l = 0; l < LANES; l++) {                                                                                       \
            int nearer = (r[l] < b[l]) | ((r[l] == b[l]) & (k < p[l]));                                                         \
            p[l] = nearer ? k : p[l];                                                                                           \
            b[l] = nearer ? r[l] : b[l];                                                                                        \
            low[l] = b[l] < low[l] ? b[l] : low[l];                                                                             \
        }                                                                                                                       \
    }                                                                                                                           \
    for (int l = 0; j + l < n; l++) {                                                                                           \
        int nearer = (row[j + l] < best[j + l]) | ((row[j + l] == best[j + l]) & (k < parent[j + l]));                          \
        parent[j + l] = nearer ? k : parent[j + l];                                                                             \
        best[j + l] = nearer ? row[j + l] : best[j + l];                                                                        \
        low[l] = best[j + l] < low[l] ? best[j + l] : low[l];                                                                   \
    }                                                                                                                           \
    for (int l = 0; l < LANES; l++) shortest[l] = low[l];                                                                       \
}                                                                                                                               \
                                                                                                                                \
/* The vertex with the shortest best edge, the first of them in the order (u, v) */                                             \
static int64_t NAME##_first(const T *restrict best, const T *restrict parent, const T *restrict shortest, int64_t n) {          \
    T length = shortest[0];                                                                                                     \
    for (int l = 1; l < LANES; l++) length = shortest[l] < length ? shortest[l] : length;                                       \
    int64_t found = -1, found_u = n, found_v = n;                                                                               \
    for (int l = 0; l < LANES; l++) if (shortest[l] == length) for (int64_t j = l; j < n; j += LANES) if (best[j] == length) {  \
        int64_t p = (int64_t)parent[j], u = p < j ? p : j, v = p < j ? j : p;                                                   \
        if (u < found_u || (u == found_u && v < found_v)) { found = j; found_u = u; found_v = v; }                              \
    }                                                                                                                           \
    return found;                                                                                                               \
}                                                                                                                               \
                                                                                                                                \
/* Where each of a few edges belongs in the order of their lengths: counted, not sorted; 0 where two are equally long. */       \
WIDE static int NAME##_rank(const T *restrict length, int64_t count, int64_t *restrict rank) {                                  \
    int64_t sum = 0;                                                                                                            \
    for (int64_t i = 0; i < count; i++) {                                                                                       \
        T here = length[i], shorter[LANES];                                                                                     \
        for (int l = 0; l < LANES; l++) shorter[l] = 0;                                                                         \
        for (int64_t j = 0; j < count; j += LANES) for (int l = 0; l < LANES; l++) shorter[l] += length[j + l] < here ? 1 : 0;  \
        for (int w = LANES/2; w; w /= 2) for (int l = 0; l < w; l++) shorter[l] += shorter[l + w];                              \
        sum += rank[i] = (int64_t)shorter[0];                                                                                   \
    }                                                                                                                           \
    return sum == count*(count - 1)/2;                                                                                          \
}                                                                                                                               \
                                                                                                                                \
static int NAME##_pairs(const T *restrict distances, int64_t n, int64_t *out, T *lengths) {                                     \
    T shortest[LANES], *best = malloc((3*n + LANES)*sizeof(T)), *parent = best + n, *length = parent + n;                       \
    NAME##_edge *edges = malloc(n*sizeof(NAME##_edge));                                                                         \
    int64_t *rank = malloc(n*sizeof(int64_t));                                                                                  \
    int ready = best && edges && rank;                                                                                          \
    for (int64_t j = 0; ready && j < n; j++) { best[j] = (T)INFINITY; parent[j] = 0; }                                          \
    for (int64_t k = 0, i = 0; ready && i < n - 1; i++) {                                                                       \
        best[k] = (T)NAN;                                                                                                       \
        NAME##_relax(distances + k*n, best, parent, shortest, (T)k, n);                                                         \
        k = NAME##_first(best, parent, shortest, n);                                                                            \
        int64_t p = (int64_t)parent[k];                                                                                         \
        edges[i] = (NAME##_edge){best[k], p < k ? p : k, p < k ? k : p};                                                        \
        length[i] = best[k];                                                                                                    \
    }                                                                                                                           \
    if (ready) for (int l = 0; l < LANES; l++) length[n - 1 + l] = (T)INFINITY;                                                 \
    if (ready && (n > FEW || !NAME##_rank(length, n - 1, rank))) {                                                              \
        qsort(edges, n - 1, sizeof(NAME##_edge), NAME##_order);                                                                 \
        for (int64_t i = 0; i < n - 1; i++) rank[i] = i;                                                                        \
    }                                                                                                                           \
    for (int64_t i = 0; ready && i < n - 1; i++) {                                                                              \
        out[2*rank[i]] = edges[i].u;                                                                                            \
        out[2*rank[i] + 1] = edges[i].v;                                                                                        \
        if (lengths) lengths[rank[i]] = edges[i].length;                                                                        \
    }                                                                                                                           \
    free(best); free(edges); free(rank);                                                                                        \
    return ready;                                                                                                               \
}                                                                                                                               \
/* Tile by tile, so that the mirror image of a tile is still in the cache; the next two are on their way meanwhile. In */       \
/* blocks of tiles, which meet few pages of memory. */                                                                          \
WIDE static int NAME##_tile(const T *restrict distances, int64_t n, int64_t i, int64_t j) {                                     \
    int64_t rows = n - i < TILE ? n - i : TILE, columns = n - j < TILE ? n - j : TILE;                                          \
    T mirror[TILE][TILE];                                                                                                       \
    int bad = 0;                                                                                                                \
    for (int64_t a = 0; a < rows && j + TILE < i; a++) for (int64_t b = 0; b < TILE; b += 64/sizeof(T)) {                       \
        FETCH(distances + (i + a)*n + j + TILE + b);                                                                            \
        FETCH(distances + (j + TILE + a)*n + i + b);                                                                            \
    }                                                                                                                           \
    for (int64_t b = 0; b < columns; b++) for (int64_t a = 0; a < rows; a++) mirror[a][b] = distances[(j + b)*n + i + a];       \
    for (int64_t a = 0; a < rows; a++) {                                                                                        \
        const T *restrict here = distances + (i + a)*n + j, *restrict there = mirror[a];                                        \
        for (int64_t b = 0; b < columns; b++) bad |= (here[b] != there[b]) | !(ABS(here[b]) <= LARGEST);                        \
    }                                                                                                                           \
    return !bad;                                                                                                                \
}                                                                                                                               \
                                                                                                                                \
static int NAME##_regular(const T *restrict distances, int64_t n) {                                                             \
    for (int64_t down = 0; down < n; down += BLOCK) for (int64_t right = 0; right <= down; right += BLOCK)                      \
        for (int64_t i = down; i < n && i < down + BLOCK; i += TILE) for (int64_t j = right; j <= i && j < right + BLOCK; j += TILE)\
            if (!NAME##_tile(distances, n, i, j)) return 0;                                                                     \
    return 1;                                                                                                                   \
}                                                                                                                               \

FOR_TYPE(float, FLT_MAX, fabsf, float)
FOR_TYPE(double, DBL_MAX, fabs, double)

enum { GOOD, IRREGULAR, NO_MEMORY };

static PyObject *pairs(PyObject *self, PyObject *args) {
    unsigned long long address, out, lengths = 0;
    Py_ssize_t matrices, n;
    int is_double, check = 0, state = GOOD;
    if (!PyArg_ParseTuple(args, "KnnpK|pK", &address, &matrices, &n, &is_double, &out, &check, &lengths)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < matrices && state == GOOD; i++) {
        const double *wide = (const double *)(uintptr_t)address + i*n*n;
        const float *narrow = (const float *)(uintptr_t)address + i*n*n;
        int64_t *to = (int64_t *)(uintptr_t)out + i*2*(n - 1);
        double *long_wide = lengths ? (double *)(uintptr_t)lengths + i*(n - 1) : NULL;
        float *long_narrow = lengths ? (float *)(uintptr_t)lengths + i*(n - 1) : NULL;
        if (check && !(is_double ? double_regular(wide, n) : float_regular(narrow, n))) state = IRREGULAR;
        else if (n > 1 && !(is_double ? double_pairs(wide, n, to, long_wide) : float_pairs(narrow, n, to, long_narrow))) state = NO_MEMORY;
    }
    Py_END_ALLOW_THREADS
    if (state == NO_MEMORY) return PyErr_NoMemory();
    return PyBool_FromLong(state == GOOD);
}

static PyMethodDef methods[] = {
    {"pairs", pairs, METH_VARARGS, "pairs(address, matrices, n, is_double, out, check=False, lengths=0): spanning trees, int64 (matrices, n-1, 2) at `out`; "
                                   "False where a matrix is checked and not finite and symmetric"},
    {NULL, NULL, 0, NULL},
};
/* Raised here and in 05_prim.ipynb when the calls change; 1 had no lengths */
static int interface(PyObject *module) { return PyModule_AddIntConstant(module, "INTERFACE", 2); }

static PyModuleDef_Slot slots[] = {{Py_mod_exec, interface}, {0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "prim", "Prim's algorithm on dense distance matrices", 0, methods, slots, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_prim(void) { return PyModuleDef_Init(&module); }
