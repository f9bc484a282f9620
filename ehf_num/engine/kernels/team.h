/* Shares of a call at the same time, on the thread that calls and on some of ours.

   A kernel takes tens of microseconds, a sleeping thread takes as long to wake. So whoever waits,
   for work or for its end, looks again and again for a while (PATIENCE) before it sleeps. Shares are
   claimed one by one, by who is ready: who calls does those that nobody has begun, because a thread
   is asleep or another process has its core. There is one team: a call that finds it at work does
   all of its shares itself. Who does a share does not change its bits.

   A thread that loses its core in the middle of a share keeps the call waiting, and one that wakes
   on the caller's core takes that from it. So a call compares its time with the processor time of
   all who took part, which it would have taken alone; where it comes to be later by MOST_LATE, calls
   go without the team, which sleeps then. After a pause its threads look by themselves whether they
   keep a core, awake for as long as two processes on one core take to change places: no call waits
   for that. */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define PATIENCE 500000 /* nanoseconds */

#define MOST_LATE 1000000L
#define PROBATION 20000000L        /* how long a thread looks whether it keeps a core */
#define MOST_LOST (PROBATION / 8)  /* of that */
#define JUMP 50000L                /* of the clock, between two looks: somebody else had the core */
#define MEEK 10                    /* added to the niceness of a thread that looks */
#define FIRST_PAUSE 20000000L
#define LAST_PAUSE 1000000000L
#define TRUSTED 1000000000L        /* after so long with the team, the next pause is the first */

typedef void (*kernel)(const call *);

/* A number that one thread writes and another waits for. */
typedef struct {
    atomic_ulong number;
    atomic_int asleep;
    pthread_mutex_t mutex;
    pthread_cond_t written;
} event;

typedef struct {
    event posted;      /* the last call that it was asked to help with */
    atomic_int looks;  /* whether it is to find out, before that, if it keeps its core */
} helper;

/* The call that the team is at. */
static struct {
    atomic_ullong ticket; /* its number, then 8 bits each: how many shares, how many are claimed */
    atomic_long finished; /* shares */
    atomic_long spent;    /* nanoseconds of processor time on them */
    event done;
    kernel function;
    const call *shares;
} job;

static helper team[MAX_THREADS - 1];
static long team_size;
static atomic_flag team_at_work = ATOMIC_FLAG_INIT;

enum { TOGETHER, APART, LOOKING };

/* Whether the team helps with calls; while it does, who holds `team_at_work` writes what is not
   atomic, and while its threads look around the last of them. */
static struct {
    atomic_int state;
    atomic_int looking; /* helpers that have not ended looking */
    atomic_long lost;   /* nanoseconds in which they did not run */
    atomic_long until;  /* when to look around again */
    long pause, since, late;
} company;

static long nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

static void rest(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void event_begin(event *of) {
    memset(of, 0, sizeof *of);
    pthread_mutex_init(&of->mutex, 0), pthread_cond_init(&of->written, 0);
}

static void event_write(event *of, unsigned long number) {
    atomic_store(&of->number, number);
    if (!atomic_load(&of->asleep)) return; /* it will see the number before it sleeps */
    pthread_mutex_lock(&of->mutex);
    pthread_cond_signal(&of->written);
    pthread_mutex_unlock(&of->mutex);
}

/* Wait for a number beyond the last one, and return it. */
static unsigned long event_await(event *of, unsigned long last) {
    const long end = nanoseconds(CLOCK_MONOTONIC) + PATIENCE;
    unsigned long number;
    do {
        for (int i = 0; i < 32; i++, rest())
            if ((number = atomic_load(&of->number)) != last) return number;
    } while (nanoseconds(CLOCK_MONOTONIC) < end);
    pthread_mutex_lock(&of->mutex);
    atomic_store(&of->asleep, 1);
    while ((number = atomic_load(&of->number)) == last)
        pthread_cond_wait(&of->written, &of->mutex);
    atomic_store(&of->asleep, 0);
    pthread_mutex_unlock(&of->mutex);
    return number;
}

/* Claim a share of a call: -1 where none is left, or the call is over. */
static long claim(unsigned long number) {
    unsigned long long ticket = atomic_load(&job.ticket);
    for (;;) {
        const long next = ticket & 255, count = ticket >> 8 & 255;
        if (ticket >> 16 != number || next >= count) return -1;
        if (atomic_compare_exchange_weak(&job.ticket, &ticket, ticket + 1)) return next;
    }
}

static void do_share(kernel function, const call *share, long worker) {
    call own = *share;
    own.work = (char *)own.work + (size_t)worker * own.work_bytes;
    function(&own);
}

/* Do shares of a call while there are any; say when the last has ended. */
static void take_part(unsigned long number, long worker) {
    long share = claim(number), did = 0;
    if (share < 0) return;
    const long count = atomic_load(&job.ticket) >> 8 & 255;
    const long before = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
    for (; share >= 0; share = claim(number), did++) do_share(job.function, job.shares + share, worker);
    atomic_fetch_add(&job.spent, nanoseconds(CLOCK_THREAD_CPUTIME_ID) - before);
    if (atomic_fetch_add(&job.finished, did) + did == count) event_write(&job.done, number);
}

/* Let calls go without the team for a while. */
static void part(long now) {
    company.pause = company.pause ? 2 * company.pause : FIRST_PAUSE;
    if (company.pause > LAST_PAUSE) company.pause = LAST_PAUSE;
    atomic_store(&company.until, now + company.pause);
    atomic_store(&company.state, APART);
}

/* Be awake for a while. The last of the team to end lets it help, or puts that off. */
static void look_around(void) {
    const long began = nanoseconds(CLOCK_MONOTONIC);
    for (long now = began, before; now < began + PROBATION; ) {
        for (int i = 0; i < 32; i++) rest();
        before = now, now = nanoseconds(CLOCK_MONOTONIC);
        if (now - before > JUMP) atomic_fetch_add(&company.lost, now - before);
        if (atomic_load(&company.lost) > MOST_LOST) break;
    }
    if (atomic_fetch_sub(&company.looking, 1) > 1) return;
    const long now = nanoseconds(CLOCK_MONOTONIC);
    if (atomic_load(&company.lost) > MOST_LOST) {
        part(now);
        return;
    }
    company.late = 0, company.since = now;
    atomic_store(&company.state, TOGETHER);
}

/* A thread of its own does it, for none can be made meek and bold again: it takes a core that is free,
   and little of one that is not, be it the caller's. */
static void *scout(void *unused) {
#if defined(__linux__)
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + MEEK);
#endif
    look_around();
    return unused;
}

static void send_scout(void) {
    pthread_t thread;
    if (pthread_create(&thread, 0, scout, 0))
        look_around();
    else
        pthread_join(thread, 0);
}

static void *help(void *argument) {
    helper *self = argument;
    for (unsigned long number = atomic_load(&self->posted.number);;) {
        if (atomic_exchange(&self->looks, 0)) send_scout();
        take_part(number, self - team + 1);
        number = event_await(&self->posted, number);
    }
    return 0;
}

/* Start threads until there are so many; returns how many there are. */
static long team_of(long wanted) {
    if (wanted <= team_size) return wanted;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for Python's own threads */
    if (!team_size) event_begin(&job.done);
    for (; team_size < wanted; team_size++) {
        pthread_t thread;
        helper *next = team + team_size;
        event_begin(&next->posted);
        if (pthread_create(&thread, 0, help, next)) break;
        pthread_detach(thread);
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
    return team_size;
}

/* Threads do not survive a fork, and the parent's may have been at work. */
static void team_forget(void) {
    team_size = 0;
    company.pause = company.late = 0;
    atomic_store(&company.state, TOGETHER);
    atomic_flag_clear(&team_at_work);
}

/* Begin a call for the team, of no shares where it is to look around. */
static unsigned long post(kernel function, const call *shares, long count, long helpers) {
    const unsigned long number = (atomic_load(&job.ticket) >> 16) + 1;
    job.function = function, job.shares = shares;
    atomic_store(&job.finished, 0), atomic_store(&job.spent, 0);
    atomic_store(&job.ticket, (unsigned long long)number << 16 | (unsigned long long)count << 8);
    for (long k = 0; k < helpers; k++) event_write(&team[k].posted, number);
    return number;
}

/* Ask the team to find out whether it has cores of its own. */
static void ask_around(long helpers) {
    atomic_store(&company.lost, 0), atomic_store(&company.looking, helpers);
    atomic_store(&company.state, LOOKING);
    for (long k = 0; k < helpers; k++) atomic_store(&team[k].looks, 1);
    post(0, 0, 0, helpers);
}

/* Learn from a call how it was with the team. */
static void settle(long began) {
    const long now = nanoseconds(CLOCK_MONOTONIC);
    company.late += now - began - atomic_load(&job.spent);
    if (company.late < 0) company.late = 0;
    if (company.late < MOST_LATE) return;
    if (now - company.since > TRUSTED) company.pause = 0;
    part(now);
}

static void run_shares(kernel function, const call *shares, long count, long workers) {
    const int ours = count > 1 && workers > 1 && !atomic_flag_test_and_set(&team_at_work);
    const int state = ours ? atomic_load(&company.state) : LOOKING;
    const int due =
        state == APART && nanoseconds(CLOCK_MONOTONIC) >= atomic_load(&company.until);
    const long helpers = due || state == TOGETHER ? team_of(workers - 1) : 0;
    if (due && helpers) ask_around(helpers);
    if (due || !helpers) {
        if (ours) atomic_flag_clear(&team_at_work);
        for (long k = 0; k < count; k++) do_share(function, shares + k, 0);
        return;
    }
    const long began = nanoseconds(CLOCK_MONOTONIC);
    const unsigned long number = post(function, shares, count, helpers);
    take_part(number, 0);
    unsigned long done = atomic_load(&job.done.number);
    while (done != number) done = event_await(&job.done, done);
    settle(began);
    atomic_flag_clear(&team_at_work);
}
