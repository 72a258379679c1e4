/* worker.h - the hidden mode of the program in which it is one run; see worker.c. */
#ifndef HEAPBENCH_WORKER_H
#define HEAPBENCH_WORKER_H

/* Does the job in the file of that number and ends the process; returns, with an exit code, only when there is none. */
int worker_main(const char *job_fd);

#endif
