/*
 * The names of arm64's registers, for dtrace -e on amd64: they stand for any that
 * there are. Only the names and the types are checked by that.
 */
inline int R_X0 = 0;
#pragma D binding "1.0" R_X0
inline int R_X1 = 1;
#pragma D binding "1.0" R_X1
inline int R_X2 = 2;
#pragma D binding "1.0" R_X2
inline int R_X28 = 3;
#pragma D binding "1.0" R_X28
inline int R_LR = 4;
#pragma D binding "1.0" R_LR
